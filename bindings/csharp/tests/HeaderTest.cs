// SPDX-License-Identifier: MIT
using System;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Eplb;
using Eplb.Raw;

/// <summary>Compares the raw layer with what layout.json says of eplb.h, by reflection, in both directions.</summary>
static class HeaderTest
{
    static readonly Assembly Binding = typeof(Native).Assembly;

    static Json ReadLayout() => Json.Parse(Runner.Read("tests/abi/layout.json"));

    [Test]
    static void RawLayerIsTheHeader()
    {
        Assert.SameList(new string[0], Differences(ReadLayout()), "what differs");
    }

    [Test]
    static void EveryChangeOfTheHeaderIsFound()
    {
        const string Signature = "{\"name\":\"eplb_new\",\"returns\":\"void\",\"parameters\":[]}";
        var changes = new Action<Json>[]
        {
            h => h["functions"].Items.Add(Json.Parse(Signature)),
            h => h["functions"].Items.RemoveAt(3),
            h => h["functions"].Items.Last()["parameters"].Items.RemoveAt(0),
            h => h["functions"].Items.Last()["parameters"].Items[1]["type"].Text = "eplb_maps*",
            h => h["functions"].Items.Last()["parameters"].Items[1]["name"].Text = "other",
            h => h["functions"].Items.Last()["returns"].Text = "int64_t",
            h => h["callbacks"].Items.Add(Json.Parse(Signature)),
            h => h["callbacks"].Items.RemoveAt(0),
            h => h["callbacks"].Items.Last()["parameters"].Items[1]["type"].Text = "int32_t",
            h => h["constants"]["EPLB_STRATEGY_NEW"] = Json.Parse("10"),
            h => h["constants"].Members.Remove("EPLB_SWAP_ANY_ANY"),
            h => h["constants"]["EPLB_LOG_DEBUG"].Number = 7,
            h => h["constants"]["EPLB_VERSION"].Number = 101,
            h => h["structs"]["eplb_new"] = Json.Parse("{\"size\":4,\"fields\":{}}"),
            h => h["structs"].Members.Remove("eplb_packing"),
            h => h["structs"]["eplb_maps"]["size"].Number += 8,
            h => h["structs"]["eplb_input"]["fields"]["extra"] =
                Json.Parse("{\"offset\":72,\"size\":8,\"type\":\"int64_t\"}"),
            h => h["structs"]["eplb_stats"]["fields"].Members.Remove("changes"),
            h => h["structs"]["eplb_shape"]["fields"]["num_gpus"]["offset"].Number += 4,
            h => h["structs"]["eplb_shape"]["fields"]["num_gpus"]["size"].Number = 8,
            h => h["structs"]["eplb_error"]["fields"]["message"]["type"].Text = "char[505]",
            h => h["structs"]["eplb_options"]["fields"]["amplitude"]["type"].Text = "int32_t"
        };
        for (int i = 0; i < changes.Length; ++i)
        {
            Json header = ReadLayout();
            changes[i](header);
            Assert.True(Differences(header).Any(), $"change {i} of the header was not found");
        }
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
        foreach (var record in ReadLayout()["structs"].Members)
        {
            var fields = record.Value["fields"].Members.Keys.Except(new[] { "struct_size", "reserved" });
            // Buffers know their number of elements, their type and their memory.
            if (record.Key == "eplb_options") fields = fields.Except(new[] { "user" });
            else fields = fields.Except(new[] { "type", "memory", "current_type" });
            foreach (string field in fields)
            {
                if (fields.Any(other => field == other + "_count")) continue;
                string name = string.Concat(from part in field.Split('_')
                                            where part != "fn"
                                            select char.ToUpperInvariant(part[0]) + part.Substring(1));
                Assert.True(standsFor[record.Key].Any(type => type.GetProperty(name) != null),
                            $"there is a property {name} for {record.Key}::{field}; that it is not");
            }
        }
    }

    static IEnumerable<string> Differences(Json header)
    {
        return CompareFunctions(header).Concat(CompareCallbacks(header)).Concat(CompareConstants(header))
            .Concat(CompareStructs(header)).ToList();
    }

    static IEnumerable<string> CompareFunctions(Json header)
    {
        var ours = typeof(Native).GetMethods(BindingFlags.Static | BindingFlags.Public)
            .Where(m => (m.Attributes & MethodAttributes.PinvokeImpl) != 0).ToDictionary(m => m.Name);
        var theirs = header["functions"].Items.ToDictionary(f => f["name"].Text);
        return CompareNames("function", theirs.Keys, ours.Keys).Concat(
            from name in theirs.Keys.Intersect(ours.Keys)
            from difference in CompareSignature(theirs[name], ours[name])
            select $"{name}: {difference}");
    }

    static IEnumerable<string> CompareCallbacks(Json header)
    {
        var ours = Binding.GetExportedTypes()
            .Where(t => t.Namespace == "Eplb.Raw" && t.IsSubclassOf(typeof(Delegate))).ToDictionary(t => t.Name);
        var theirs = header["callbacks"].Items.ToDictionary(f => f["name"].Text);
        return CompareNames("callback", theirs.Keys, ours.Keys).Concat(
            from name in theirs.Keys.Intersect(ours.Keys)
            from difference in CompareSignature(theirs[name], ours[name].GetMethod("Invoke"))
            select $"{name}: {difference}");
    }

    /// <summary>The enumerations' members by the names that they have in C.</summary>
    static IEnumerable<string> CompareConstants(Json header)
    {
        Dictionary<string, Json> theirs = header["constants"].Members;
        var prefixes = new Dictionary<Type, string>
        {
            [typeof(Status)] = "EPLB", [typeof(ElementType)] = "EPLB_TYPE", [typeof(AmplitudeForm)] = "EPLB_AMPLITUDE",
            [typeof(SwapScope)] = "EPLB_SWAP", [typeof(LogLevel)] = "EPLB_LOG", [typeof(CheckFlag)] = "EPLB_CHECK"
        };
        var ours = typeof(Native).GetFields().ToDictionary(f => f.Name, f => Convert.ToInt64(f.GetRawConstantValue()));
        foreach (Type type in Binding.GetExportedTypes().Where(t => t.IsEnum))
        {
            string prefix = prefixes.ContainsKey(type) ? prefixes[type] : "EPLB_" + type.Name.ToUpperInvariant();
            foreach (FieldInfo member in type.GetFields(BindingFlags.Static | BindingFlags.Public))
            {
                string name = Regex.Replace(member.Name, "(?<=.)([A-Z])", "_$1").ToUpperInvariant();
                bool isError = type == typeof(Status) && theirs.ContainsKey($"{prefix}_ERROR_{name}");
                ours.Add(isError ? $"{prefix}_ERROR_{name}" : $"{prefix}_{name}",
                         Convert.ToInt64(member.GetRawConstantValue()));
            }
        }
        return CompareNames("constant", theirs.Keys, ours.Keys).Concat(
            from name in theirs.Keys.Intersect(ours.Keys)
            where theirs[name].Number != ours[name]
            select $"{name} is {ours[name]}, not {theirs[name].Number}");
    }

    static IEnumerable<string> CompareStructs(Json header)
    {
        var theirs = header["structs"].Members;
        // A struct without fields is opaque, and the header has pointers to it only.
        var ours = Binding.GetExportedTypes()
            .Where(t => t.Namespace == "Eplb.Raw" && t.IsValueType && !t.IsNested && Fields(t).Any())
            .ToDictionary(t => t.Name);
        return CompareNames("struct", theirs.Keys, ours.Keys).Concat(
            from name in theirs.Keys.Intersect(ours.Keys)
            from difference in CompareStruct(theirs[name], ours[name])
            select $"{name}: {difference}");
    }

    static IEnumerable<string> CompareStruct(Json theirs, Type type)
    {
        var ours = Fields(type).ToDictionary(f => f.Name);
        var fields = theirs["fields"].Members;
        foreach (string difference in CompareNames("field", fields.Keys, ours.Keys)) yield return difference;
        if (Marshal.SizeOf(type) != theirs["size"].Int) yield return $"size is {Marshal.SizeOf(type)}";
        foreach (string name in fields.Keys.Intersect(ours.Keys))
        {
            int offset = (int)Marshal.OffsetOf(type, name);
            if (offset != fields[name]["offset"].Int) yield return $"offset of {name} is {offset}";
            if (Size(ours[name]) != fields[name]["size"].Int) yield return $"size of {name} is {Size(ours[name])}";
            if (!IsField(fields[name]["type"].Text, ours[name])) yield return $"{name} is a {ours[name].FieldType}";
        }
    }

    static IEnumerable<string> CompareNames(string kind, IEnumerable<string> theirs, IEnumerable<string> ours)
    {
        return (from name in theirs.Except(ours) select $"the {kind} {name} is missing").Concat(
            from name in ours.Except(theirs) select $"the {kind} {name} is not in the header");
    }

    static IEnumerable<string> CompareSignature(Json theirs, MethodInfo ours)
    {
        if (!IsType(theirs["returns"].Text, ours.ReturnType)) yield return $"returns {ours.ReturnType}";
        List<Json> wanted = theirs["parameters"].Items;
        ParameterInfo[] parameters = ours.GetParameters();
        if (wanted.Count != parameters.Length)
        {
            yield return $"takes {parameters.Length} parameters, not {wanted.Count}";
            yield break;
        }
        for (int i = 0; i < parameters.Length; ++i)
        {
            ParameterInfo p = parameters[i];
            if (p.Name != wanted[i]["name"].Text) yield return $"parameter {i} is {p.Name}";
            if (!IsType(wanted[i]["type"].Text, p.ParameterType)) yield return $"{p.Name} is a {p.ParameterType}";
        }
    }

    static IEnumerable<FieldInfo> Fields(Type type) => type.GetFields(BindingFlags.Instance | BindingFlags.Public);

    static int Size(FieldInfo field)
    {
        var array = field.GetCustomAttribute<FixedBufferAttribute>();
        if (array != null) return array.Length * Marshal.SizeOf(array.ElementType);
        Type type = field.FieldType;
        if (type.IsPointer) return IntPtr.Size;
        return Marshal.SizeOf(Underlying(type));
    }

    static Type Underlying(Type type) => type.IsEnum ? Enum.GetUnderlyingType(type) : type;

    static bool IsField(string c, FieldInfo field)
    {
        var array = field.GetCustomAttribute<FixedBufferAttribute>();
        if (array != null) return array.ElementType == typeof(byte) && c == $"char[{array.Length}]";
        return c.EndsWith("_fn") ? field.FieldType == typeof(IntPtr) : IsType(c, field.FieldType);
    }

    static bool IsType(string c, Type type)
    {
        if (c.EndsWith("*"))
        {
            return type.IsPointer && IsType(c.Remove(c.Length - 1).Replace("const ", ""), type.GetElementType());
        }
        switch (c)
        {
            case "void": return type == typeof(void);
            case "char": return type == typeof(byte);
            case "float": return type == typeof(float);
            case "double": return type == typeof(double);
            case "int32_t": return Underlying(type) == typeof(int);
            case "uint32_t": return Underlying(type) == typeof(uint);
            case "int64_t": return type == typeof(long);
            case "uint64_t": return type == typeof(ulong);
            case "size_t": return type == typeof(UIntPtr);
            case "eplb_status": return type == typeof(Status);
            default: return type.Name == c;
        }
    }
}
