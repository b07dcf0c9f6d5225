// SPDX-License-Identifier: MIT
using System;

/// <summary>Prints what the user of a library sees that is too old, or no library at all.</summary>
static class LoadFailure
{
    static void Main()
    {
        try
        {
            new Eplb.Options();
        }
        catch (Exception e)
        {
            Console.WriteLine($"{e.GetType().Name}: {e.Message}");
        }
    }
}
