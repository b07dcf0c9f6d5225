// SPDX-License-Identifier: MIT
using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;

/// <summary>One value of a JSON text. The class library of Mono that Debian installs with mcs has no reader.</summary>
sealed class Json
{
    public readonly Dictionary<string, Json> Members = new Dictionary<string, Json>();
    public readonly List<Json> Items = new List<Json>();
    public bool IsNull;
    public double Number;
    public string Text;

    public Json this[string name]
    {
        get => Members[name];
        set => Members[name] = value;
    }

    public int Int => (int)Number;

    /// <summary>The numbers in a list of lists, one after another.</summary>
    public IEnumerable<double> Flat => from row in Items from item in row.Items select item.Number;

    public static Json Parse(string text)
    {
        int at = 0;
        return new Reader { Source = text }.Value(ref at);
    }

    sealed class Reader
    {
        public string Source;

        public Json Value(ref int at)
        {
            var value = new Json();
            switch (Next(ref at))
            {
                case '{':
                    List(ref at, '}', (ref int inside) =>
                    {
                        Next(ref inside);
                        string name = String(ref inside);
                        Expect(ref inside, ':');
                        value.Members.Add(name, Value(ref inside));
                    });
                    break;
                case '[':
                    List(ref at, ']', (ref int inside) => value.Items.Add(Value(ref inside)));
                    break;
                case '"':
                    value.Text = String(ref at);
                    break;
                case 'n':
                    at += "null".Length;
                    value.IsNull = true;
                    break;
                default:
                    int begin = at;
                    while (at < Source.Length && "+-.0123456789eE".IndexOf(Source[at]) >= 0) ++at;
                    value.Number = double.Parse(Source.Substring(begin, at - begin), CultureInfo.InvariantCulture);
                    break;
            }
            return value;
        }

        delegate void Element(ref int at);

        void List(ref int at, char end, Element element)
        {
            ++at;
            if (Next(ref at) != end)
            {
                element(ref at);
                while (Next(ref at) == ',')
                {
                    ++at;
                    element(ref at);
                }
            }
            Expect(ref at, end);
        }

        string String(ref int at)
        {
            Expect(ref at, '"');
            int begin = at;
            at = Source.IndexOf('"', at);
            string text = Source.Substring(begin, at++ - begin);
            if (text.IndexOf('\\') >= 0) throw new FormatException("escapes are not understood: " + text);
            return text;
        }

        char Next(ref int at)
        {
            while (char.IsWhiteSpace(Source[at])) ++at;
            return Source[at];
        }

        void Expect(ref int at, char wanted)
        {
            if (Next(ref at) != wanted) throw new FormatException($"'{wanted}' is missing at character {at}");
            ++at;
        }
    }
}
