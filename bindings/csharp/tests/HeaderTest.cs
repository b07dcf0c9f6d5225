// SPDX-License-Identifier: MIT
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Eplb;
using Eplb.Raw;

/// <summary>Holds the binding against what layout.json says of eplb.h.</summary>
static unsafe class HeaderTest
{
    static Json ReadLayout() => Json.Parse(Runner.Read("tests/abi/layout.json"));

    static Type Find(string type) => typeof(Native).Assembly.GetType(type, throwOnError: true);

    /// <summary>Sizes, offsets, and what the library writes by default, of every struct and field.</summary>
    [Test]
    static void StructsAreLaidOutAsInC()
    {
        Assert.True(Library.Version > 0, "the library is loaded");
        foreach (var record in ReadLayout()["structs"].Members)
        {
            Type type = Find("Eplb.Raw." + record.Key);
            Assert.Equal(record.Value["size"].Int, Marshal.SizeOf(type), "size of " + record.Key);
            object made = Find("Eplb.Defaults").GetField(Pascal(record.Key.Split('_').Skip(1))).GetValue(null);
            foreach (var field in record.Value["fields"].Members)
            {
                string name = $"{record.Key}.{field.Key}";
                FieldInfo ours = type.GetField(field.Key);
                Assert.Equal(field.Value["offset"].Int, (int)Marshal.OffsetOf(type, field.Key), "offset of " + name);
                Assert.Equal(field.Value["size"].Int, Size(ours), "size of " + name);
                Json given = field.Value["default"];
                if (!given.IsNull && given.Text == null)
                {
                    Assert.Equal(given.Number, Number(ours.GetValue(made)), "default of " + name);
                }
            }
        }
    }

    /// <summary>What has no use in the layer above the raw one is missing there.</summary>
    [Test]
    static void EveryFunctionIsCalled()
    {
        string[] files = Directory.GetFiles(Runner.PathOf("bindings/csharp/Eplb"), "*.cs");
        string text = string.Concat(files.Select(File.ReadAllText));
        var names = from function in ReadLayout()["functions"].Items select function["name"].Text;
        var missing = names.Where(name => !text.Contains($"Native.{name}(")).ToList();
        Assert.True(missing.Count == 0, "not called: " + string.Join(", ", missing));
    }

    /// <summary>A field of a struct is a property of the class or struct that stands for it.</summary>
    [Test]
    static void EveryFieldHasAProperty()
    {
        var standsFor = new Dictionary<string, Type[]>
        {
            ["eplb_error"] = new[] { typeof(EplbException) },
            ["eplb_shape"] = new[] { typeof(Shape) },
            ["eplb_options"] = new[] { typeof(Options) },
            ["eplb_input"] = new[] { typeof(Input) },
            ["eplb_maps"] = new[] { typeof(Maps) },
            ["eplb_stats"] = new[] { typeof(Stats), typeof(StatsBuffers) },
            ["eplb_packing"] = new[] { typeof(Packing) }
        };
        var missing = new List<string>();
        foreach (var record in ReadLayout()["structs"].Members)
        {
            var fields = record.Value["fields"].Members.Keys.Except(new[] { "struct_size", "reserved" });
            // Buffers know their number of elements, their type and their memory.
            if (record.Key == "eplb_options") fields = fields.Except(new[] { "user" });
            else fields = fields.Except(new[] { "type", "memory", "current_type" });
            foreach (string field in fields)
            {
                if (fields.Any(other => field == other + "_count")) continue;
                string name = Pascal(field.Split('_').Where(part => part != "fn"));
                if (standsFor[record.Key].All(type => type.GetProperty(name) == null))
                {
                    missing.Add($"{name} of {record.Key}::{field}");
                }
            }
        }
        Assert.True(missing.Count == 0, "no property " + string.Join(", ", missing));
    }

    /// <summary>A property of the options is the field of its name.</summary>
    [Test]
    static void EveryOptionArrives()
    {
        FieldInfo raw = typeof(Options).GetField("Raw", BindingFlags.Instance | BindingFlags.NonPublic);
        foreach (var field in ReadLayout()["structs"]["eplb_options"]["fields"].Members)
        {
            PropertyInfo property = typeof(Options).GetProperty(Pascal(field.Key.Split('_')));
            if (field.Value["type"].Text != "int32_t" && field.Value["type"].Text != "float") continue;
            var options = new Options();
            Type type = property.PropertyType;
            property.SetValue(options, type.IsEnum ? Enum.ToObject(type, 3) : Convert.ChangeType(3, type));
            object arrived = raw.FieldType.GetField(field.Key).GetValue(raw.GetValue(options));
            Assert.Equal(3.0, Convert.ToDouble(arrived), field.Key);
            Assert.Equal(3.0, Convert.ToDouble(property.GetValue(options)), property.Name);
        }
    }

    static string Pascal(IEnumerable<string> words)
    {
        return string.Concat(from word in words select char.ToUpperInvariant(word[0]) + word.Substring(1));
    }

    static int Size(FieldInfo field)
    {
        var array = field.GetCustomAttribute<FixedBufferAttribute>();
        if (array != null) return array.Length * Marshal.SizeOf(array.ElementType);
        if (field.FieldType.IsPointer) return IntPtr.Size;
        return Marshal.SizeOf(field.FieldType.IsEnum ? Enum.GetUnderlyingType(field.FieldType) : field.FieldType);
    }

    static double Number(object value) => value is UIntPtr size ? (double)(ulong)size : Convert.ToDouble(value);
}
