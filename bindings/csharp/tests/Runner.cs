// SPDX-License-Identifier: MIT
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;

/// <summary>A static method without parameters that is a test.</summary>
[AttributeUsage(AttributeTargets.Method)]
sealed class TestAttribute : Attribute
{
}

static class Assert
{
    public static void True(bool condition, string what)
    {
        if (!condition) throw new Exception(what);
    }

    public static void Equal<T>(T want, T got, string what = "value")
    {
        if (!EqualityComparer<T>.Default.Equals(want, got)) throw new Exception($"{what} is {got}, not {want}");
    }

    public static void SameList<T>(IEnumerable<T> want, IEnumerable<T> got, string what)
    {
        True(want.SequenceEqual(got), $"{what} is {string.Join(" ", got)}, not {string.Join(" ", want)}");
    }

    public static E Throws<E>(Action action, string what = "the call") where E : Exception
    {
        try
        {
            action();
        }
        catch (E e)
        {
            return e;
        }
        throw new Exception($"{what} did not throw {typeof(E).Name}");
    }

    public static void Fails(Eplb.Status status, Action action, string what = "the call")
    {
        var e = Throws<Eplb.EplbException>(action, what);
        Equal(status, e.Status, $"status of {what}, which says \"{e.Message}\",");
        True(e.Message.Length > 10, $"{what} does not say what was wrong");
    }
}

/// <summary>Runs all tests, or those whose names contain the first argument.</summary>
static class Runner
{
    /// <summary>The place of a file or folder of the repository, whose root is in EPLB_SOURCE.</summary>
    public static string PathOf(string path)
    {
        string root = Environment.GetEnvironmentVariable("EPLB_SOURCE");
        if (string.IsNullOrEmpty(root)) throw new Exception("EPLB_SOURCE is not set to the root of the repository");
        return Path.Combine(root, path);
    }

    public static string Read(string path) => File.ReadAllText(PathOf(path));

    static int Main(string[] args)
    {
        var tests = from type in Assembly.GetExecutingAssembly().GetTypes()
                    from method in type.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)
                    where method.IsDefined(typeof(TestAttribute), false)
                    select method;
        int run = 0, failed = 0;
        foreach (MethodInfo test in tests)
        {
            string name = $"{test.DeclaringType.Name}.{test.Name}";
            if (args.Length > 0 && !name.Contains(args[0])) continue;
            ++run;
            try
            {
                ((Action)Delegate.CreateDelegate(typeof(Action), test))();
                Console.WriteLine($"ok   {name}");
            }
            catch (Exception e)
            {
                ++failed;
                Console.WriteLine($"FAIL {name}\n{e}");
            }
        }
        Console.WriteLine($"{run} tests, {failed} failed");
        return run > 0 && failed == 0 ? 0 : 1;
    }
}
