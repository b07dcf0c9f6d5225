// SPDX-License-Identifier: MIT
// Reads eplb.h and writes a C program that prints the header as layout.json: what the text says by name, what a
// compiler makes of it by number, and the defaults that the library has. It is what the raw layers of the bindings are
// made from. A declaration it does not understand is an error, so that nothing of the header can be missing from the
// file.
//
//   describe_header eplb.h > print_layout.c
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <regex>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using std::string;

struct variable {
  string type, name, doc;
};
struct function {
  string returns, name, doc;
  std::vector<variable> parameters;
};
struct enumeration {
  string name, doc;
  std::vector<variable> values;  // of no type
};
struct record {
  string name;
  std::vector<variable> fields;
};
struct header {
  std::vector<function> functions, callbacks;
  std::vector<string> handles, constants;
  std::vector<enumeration> enums;
  std::vector<record> structs;
};

string trimmed(const string& text) {
  return std::regex_replace(std::regex_replace(text, std::regex("\\s+"), " "), std::regex("^ | $"), "");
}

std::vector<string> split(const string& text, char separator) {
  std::vector<string> out;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    if (const string part = trimmed(text.substr(begin, end - begin)); !part.empty()) out.push_back(part);
    begin = end + 1;
  }
  return out;
}

/// Takes every match of a form out of the text; `found` says what is left in its place.
template <class Found>
void take(string& text, const char* form, Found found) {
  const std::regex pattern(form);
  for (std::smatch m; std::regex_search(text, m, pattern);) text = string(m.prefix()) + found(m) + string(m.suffix());
}

/// The comments of the text, taken out of it. What documents a declaration leaves its number: `7` before it, or `<7`
/// behind it, but before the comma or semicolon.
class comments {
 public:
  explicit comments(string& text) {
    take(text, "/\\*(\\*(?!/)<?)?([^*]*\\*+(?:[^/*][^*]*\\*+)*)/", [&](const std::smatch& m) {
      const string doc = trimmed(std::regex_replace(m[2].str(), std::regex("\\n \\*|\\*+$"), ""));
      if (m[1].length() == 0 || std::regex_search(doc, std::regex("^@(file|cond|endcond|defgroup|\\})")))
        return string();
      docs_.push_back(doc);
      return (m[1] == "*<" ? "`<" : "`") + std::to_string(docs_.size() - 1) + "`";
    });
    text = std::regex_replace(text, std::regex("([,;])\\s*(`<\\d+`)"), "$2$1");
  }
  string operator[](const std::ssub_match& number) const {
    return number.matched ? docs_[std::stoul(number)] : string();
  }

 private:
  std::vector<string> docs_;
};

/// "const void* loads" or "char message[504]", and the number of its comment.
variable parse_variable(const string& text, const comments& docs) {
  static const std::regex form("([\\w *]+[ *])(\\w+)((?:\\[\\w+\\])?) ?(?:`<(\\d+)`)?");
  std::smatch m;
  if (!std::regex_match(text, m, form)) throw std::runtime_error("not understood: " + text);
  return {std::regex_replace(trimmed(m[1]), std::regex(" (?=[*])"), "") + string(m[3]), m[2], docs[m[4]]};
}

variable parse_value(const string& text, const comments& docs) {
  static const std::regex form("(\\w+) = \\w+ ?(?:`<(\\d+)`)?");
  std::smatch m;
  if (!std::regex_match(text, m, form)) throw std::runtime_error("not understood: " + text);
  return {"", m[1], docs[m[2]]};
}

function parse_function(const std::smatch& m, const comments& docs) {
  function out{trimmed(m[2]), m[3], docs[m[1]], {}};
  if (m[4] != "void")
    for (const string& p : split(m[4], ',')) out.parameters.push_back(parse_variable(p, docs));
  for (variable& p : out.parameters) {
    std::smatch described;
    const std::regex form("@param\\[[a-z,]+\\] +" + p.name + " ([^@]|@(?!param|return))*");
    if (std::regex_search(out.doc, described, form)) p.doc = described[0];
  }
  out.doc = out.doc.substr(0, out.doc.find("@param"));
  return out;
}

header parse(string text) {
  header out;
  const comments docs(text);
  const auto ignore = [](const std::smatch&) { return string(); };
  const auto keep = [](auto& list, auto value) {
    list.push_back(std::move(value));
    return string();
  };
  take(text, "\\\\\\n", ignore);
  take(text, "(?:`\\d+`\\s*)?#define (EPLB_(?!H\\n)\\w+)[^\\n]*\\n",
       [&](const std::smatch& m) { return keep(out.constants, m[1].str()); });
  take(text, "#\\s*define\\s+(\\w+)[^\\n]*\\n", [](const std::smatch& m) {
    if (!std::regex_match(m[1].str(), std::regex("EPLB_(H|CALL|API|NODISCARD)")))
      throw std::runtime_error("not understood: #define " + m[1].str());
    return string();
  });
  take(text, "#[^\\n]*\\n", ignore);
  take(text, "extern \"C\" \\{|\\}\\s*$", ignore);
  take(text, "(?:`(\\d+)`\\s*)?enum (\\w+) \\{([^}]*)\\};", [&](const std::smatch& m) {
    enumeration found{m[2], docs[m[1]], {}};
    for (const string& value : split(m[3], ',')) found.values.push_back(parse_value(value, docs));
    for (const variable& value : found.values)
      if (value.doc.empty() || found.doc.empty()) throw std::runtime_error("not documented: " + value.name);
    return keep(out.enums, found);
  });
  take(text, "(?:`\\d+`\\s*)?typedef struct (\\w+) \\{([^}]*)\\} \\1;", [&](const std::smatch& m) {
    record found{m[1], {}};
    for (const string& field : split(m[2], ';')) found.fields.push_back(parse_variable(field, docs));
    return keep(out.structs, found);
  });
  take(text, "(?:`(\\d+)`\\s*)?typedef ([^;(`]*)\\(EPLB_CALL \\*(\\w+)\\)\\(([^)]*)\\);",
       [&](const std::smatch& m) { return keep(out.callbacks, parse_function(m, docs)); });
  take(text, "(?:`(\\d+)`\\s*)?EPLB_API(?: EPLB_NODISCARD)?\\s+([^;(`]*)EPLB_CALL\\s+(\\w+)\\(([^)]*)\\);",
       [&](const std::smatch& m) { return keep(out.functions, parse_function(m, docs)); });
  take(text, "(?:`\\d+`\\s*)?typedef struct (\\w+) \\1;",
       [&](const std::smatch& m) { return keep(out.handles, m[1].str()); });
  take(text, "(?:`\\d+`\\s*)?typedef int32_t eplb_status;", ignore);
  if (!trimmed(text).empty()) throw std::runtime_error("not understood: " + trimmed(text));
  if (out.functions.empty()) throw std::runtime_error("no function was found");
  return out;
}

/// Which enumeration the int32_t of a declaration is of, as far as its comment or its name says; empty if none.
class enum_finder {
 public:
  explicit enum_finder(const std::vector<enumeration>& enums) {
    for (const enumeration& e : enums) {
      enum_of_[e.name] = e.name;
      for (const variable& value : e.values) enum_of_[value.name] = e.name;
    }
  }
  /// A field's comment begins with its enumeration, or with one of its values.
  string of_field(const variable& field) const {
    const string of = first_reference(field, "^@ref (\\w+)");
    if (of.empty() && is_integer(field.type) && field.doc.starts_with("@ref "))
      throw std::runtime_error("no enumeration of this header: " + field.name + ", " + field.doc);
    return of;
  }
  /// A parameter is called as its enumeration, or its comment begins with it; of a callback, as its last word.
  string of_parameter(const variable& p, bool of_callback) const {
    string found;
    for (const auto& [name, of] : enum_of_) {
      const string own = name.substr(name.find('_') + 1);
      const bool fits = own == p.name || (of_callback && own.ends_with("_" + p.name));
      if (!is_integer(p.type) || name != of || !fits) continue;
      if (!found.empty()) throw std::runtime_error("of which enumeration is the parameter " + p.name + "?");
      found = of;
    }
    return found.empty() ? first_reference(p, "\\] +\\w+ +(?:0 or )?@ref (\\w+)") : found;
  }
  string of_result(const function& f) const {
    return first_reference({f.returns, "", f.doc}, "(?:^The|, one of) @ref (\\w+)");
  }

 private:
  static bool is_integer(const string& type) { return type == "int32_t" || type == "uint32_t"; }
  string first_reference(const variable& of, const char* form) const {
    std::smatch m;
    if (!is_integer(of.type) || !std::regex_search(of.doc, m, std::regex(form))) return "";
    const auto found = enum_of_.find(m[1]);
    return found == enum_of_.end() ? "" : found->second;
  }
  std::map<string, string> enum_of_;
};

/// lpt-swap-any of EPLB_STRATEGY_LPT_SWAP_ANY in eplb_strategy, heaviest-any of EPLB_SWAP_HEAVIEST_ANY in
/// eplb_swap_scope: without the words that it has from its enumeration.
string name_of_value(const string& constant, const string& of) {
  string lower = constant;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  const std::vector<string> words = split(lower, '_'), known = split(of, '_');
  std::size_t w = 0;
  while (w < known.size() && w + 1 < words.size() && words[w] == known[w]) ++w;
  string out = words[w];
  while (++w < words.size()) out += "-" + words[w];
  return out;
}

/// The text between the quotes of JSON or C.
string escaped(const string& text) {
  string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

/// One printf of the generated program.
void print(const string& format, const string& arguments = "") {
  std::cout << "  printf(\"" << escaped(format) << "\\n\"" << (arguments.empty() ? "" : ", ") << arguments << ");\n";
}

/// A member of JSON whose value is text, for print().
string text_member(const char* key, const string& text) {
  return string("\"") + key + "\": \"" + std::regex_replace(escaped(text), std::regex("%"), "%%") + "\"";
}
string enum_member(const string& of) { return of.empty() ? "" : ", " + text_member("enum", of); }

const char* comma(std::size_t i, std::size_t count) { return i + 1 < count ? "," : ""; }

void print_functions(const char* key, const std::vector<function>& functions, const enum_finder& find) {
  print(string(" \"") + key + "\": [");
  for (std::size_t f = 0; f < functions.size(); ++f) {
    string parameters;
    for (const variable& p : functions[f].parameters)
      parameters += string(parameters.empty() ? "" : ", ") + "{" + text_member("type", p.type) + ", " +
                    text_member("name", p.name) + enum_member(find.of_parameter(p, string(key) == "callbacks")) + "}";
    print("  {" + text_member("name", functions[f].name) + ", " + text_member("returns", functions[f].returns) +
          enum_member(find.of_result(functions[f])) + ", \"parameters\": [" + parameters + "]}" +
          comma(f, functions.size()));
  }
  print(" ],");
}

void print_handles(const std::vector<string>& handles) {
  string names;
  for (const string& handle : handles) names += string(names.empty() ? "" : ", ") + "\"" + handle + "\"";
  print(" \"handles\": [" + names + "],");
}

void print_constants(const std::vector<string>& constants) {
  print(" \"constants\": {");
  for (std::size_t c = 0; c < constants.size(); ++c)
    print("  \"" + constants[c] + "\": %ld" + comma(c, constants.size()), "(long)" + constants[c]);
  print(" },");
}

/// The names of values are the library's, where it has them; it has to have all of an enumeration.
void print_enums(const header& h) {
  print(" \"enums\": {");
  for (std::size_t e = 0; e < h.enums.size(); ++e) {
    const auto& [name, doc, values] = h.enums[e];
    const string namer = name + "_name";
    const bool is_named =
        std::any_of(h.functions.begin(), h.functions.end(), [&](const function& f) { return f.name == namer; });
    for (const variable& value : values)
      if (is_named)
        std::cout << "  if (!" << namer << "(" << value.name << ")) return fputs(\"the library has no name for "
                  << value.name << "\\n\", stderr), 1;\n";
    print("  \"" + name + "\": {" + text_member("doc", doc) + ", \"values\": {");
    for (std::size_t v = 0; v < values.size(); ++v) {
      const string& constant = values[v].name;
      print("   \"" + constant + "\": {\"value\": %ld, \"name\": \"%s\", " + text_member("doc", values[v].doc) + "}" +
                comma(v, values.size()),
            "(long)" + constant + ", " +
                (is_named ? namer + "(" + constant + ")"
                          : string("\"").append(name_of_value(constant, name)).append("\"")));
    }
    print(string("  }}") + comma(e, h.enums.size()));
  }
  print(" },");
}

bool is_pointer(const string& type) { return type.ends_with('*') || type.ends_with("_fn"); }

/// How the generated program prints the default of a field.
string default_format(const string& type) {
  if (is_pointer(type)) return "null";
  if (type.starts_with("char[")) return "\"%s\"";
  if (type.ends_with(']')) throw std::runtime_error("no default is known of a " + type);
  if (type == "float") return "%.9g";
  if (type == "double") return "%.17g";
  return type.starts_with("u") || type == "size_t" ? "%llu" : "%lld";
}
string default_argument(const string& type, const string& value) {
  if (is_pointer(type)) return "";
  const string format = default_format(type);
  return format == "%llu"   ? ", (unsigned long long)" + value
         : format == "%lld" ? ", (long long)" + value
                            : ", " + value;
}

void print_structs(const std::vector<record>& structs, const enum_finder& find) {
  for (const record& s : structs)
    std::cout << "  static " << s.name << " of_" << s.name << ";\n  if (" << s.name << "_init(&of_" << s.name
              << ", sizeof of_" << s.name << ") != EPLB_SUCCESS) return 1;\n";
  for (const record& s : structs)
    for (const auto& [type, field, doc] : s.fields)
      if (is_pointer(type))
        std::cout << "  if (of_" << s.name << "." << field << ") return fputs(\"" << s.name << "." << field
                  << " is not NULL by default\\n\", stderr), 1;\n";
  print(" \"structs\": {");
  for (std::size_t s = 0; s < structs.size(); ++s) {
    const auto& [name, fields] = structs[s];
    print("  \"" + name + "\": {\"size\": %zu, \"fields\": {", "sizeof(" + name + ")");
    for (std::size_t f = 0; f < fields.size(); ++f) {
      const auto& [type, field, doc] = fields[f];
      const string value = "of_" + name + "." + field;
      print("   \"" + field + "\": {\"offset\": %zu, \"size\": %zu, " + text_member("type", type) +
                enum_member(find.of_field(fields[f])) + ", \"default\": " + default_format(type) + "}" +
                comma(f, fields.size()),
            "offsetof(" + name + ", " + field + "), sizeof " + value + default_argument(type, value));
    }
    print(string("  }}") + comma(s, structs.size()));
  }
  print(" }");
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) throw std::runtime_error("usage: describe_header eplb.h");
  std::ifstream file(argv[1]);
  if (!file) throw std::runtime_error(string("cannot read ") + argv[1]);
  const header h = parse({std::istreambuf_iterator<char>(file), {}});
  const enum_finder find(h.enums);
  std::cout << "#include <eplb/eplb.h>\n#include <stddef.h>\n#include <stdio.h>\n\n"
               "void (*every_function_is_in_the_library[])(void) = {\n";
  for (const function& f : h.functions) std::cout << "  (void (*)(void))" << f.name << ",\n";
  std::cout << "};\n";
  for (const string& constant : h.constants)
    std::cout << "enum { " << constant << "_is_an_integer = " << constant << " };\n";
  std::cout << "\nint main(void) {\n";
  print("{");
  print(" \"version\": \"%d.%d.%d\",", "EPLB_VERSION_MAJOR, EPLB_VERSION_MINOR, EPLB_VERSION_PATCH");
  print_functions("functions", h.functions, find);
  print_functions("callbacks", h.callbacks, find);
  print_handles(h.handles);
  print_constants(h.constants);
  print_enums(h);
  print_structs(h.structs, find);
  print("}");
  std::cout << "  return 0;\n}\n";
} catch (const std::exception& e) {
  std::fprintf(stderr, "describe_header: %s\n", e.what());
  return 1;
}
