// SPDX-License-Identifier: MIT
// Reads eplb.h and writes a C program that prints the header as layout.json: what the text says by
// name, and what a compiler makes of it by number. A declaration it does not understand is an error,
// so that nothing of the header can be missing from the file.
//
//   describe_header eplb.h > print_layout.c
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <regex>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using std::string;

struct parameter {
  string type, name;
};
struct function {
  string returns, name;
  std::vector<parameter> parameters;
};
struct record {
  string name;
  std::vector<parameter> fields;
};
struct header {
  std::vector<function> functions, callbacks;
  std::vector<string> constants;
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

/// "const void* loads" or "char message[504]".
parameter parse_variable(const string& text) {
  static const std::regex form("([\\w *]+[ *])(\\w+)((?:\\[\\w+\\])?)");
  std::smatch m;
  if (!std::regex_match(text, m, form)) throw std::runtime_error("not understood: " + text);
  return {trimmed(m[1]) + string(m[3]), m[2]};
}

function parse_function(const string& returns, const string& name, const string& parameters) {
  function out{trimmed(returns), name, {}};
  if (trimmed(parameters) != "void")
    for (const string& p : split(parameters, ',')) out.parameters.push_back(parse_variable(p));
  return out;
}

record parse_struct(const string& name, const string& body) {
  record out{name, {}};
  for (const string& field : split(body, ';')) out.fields.push_back(parse_variable(field));
  return out;
}

/// Takes every match of a form out of the text.
template <class Found>
void take(string& text, const char* form, Found found) {
  const std::regex pattern(form);
  for (std::smatch m; std::regex_search(text, m, pattern); text = string(m.prefix()) + string(m.suffix())) found(m);
}

header parse(string text) {
  header out;
  const auto ignore = [](const std::smatch&) {};
  take(text, "/\\*[^*]*\\*+(?:[^/*][^*]*\\*+)*/", ignore);
  take(text, "\\\\\\n", ignore);
  take(text, "#define (EPLB_(?!H\\n)\\w+)[^\\n]*\\n", [&](const std::smatch& m) { out.constants.push_back(m[1]); });
  take(text, "#[^\\n]*\\n", ignore);
  take(text, "extern \"C\" \\{|\\}\\s*$", ignore);
  take(text, "enum \\w+ \\{([^}]*)\\};", [&](const std::smatch& m) {
    for (const string& constant : split(m[1], ',')) out.constants.push_back(constant.substr(0, constant.find(' ')));
  });
  take(text, "typedef struct (\\w+) \\{([^}]*)\\} \\1;",
       [&](const std::smatch& m) { out.structs.push_back(parse_struct(m[1], m[2])); });
  take(text, "typedef ([^;(]*)\\(EPLB_CALL \\*(\\w+)\\)\\(([^)]*)\\);",
       [&](const std::smatch& m) { out.callbacks.push_back(parse_function(m[1], m[2], m[3])); });
  take(text, "EPLB_API(?: EPLB_NODISCARD)?\\s+([^;(]*)EPLB_CALL\\s+(\\w+)\\(([^)]*)\\);",
       [&](const std::smatch& m) { out.functions.push_back(parse_function(m[1], m[2], m[3])); });
  take(text, "typedef int32_t eplb_status;|typedef struct (\\w+) \\1;", ignore);
  if (!trimmed(text).empty()) throw std::runtime_error("not understood: " + trimmed(text));
  return out;
}

/// One printf of the generated program.
void print(const string& format, const string& arguments = "") {
  string escaped;
  for (const char c : format) escaped += c == '"' ? "\\\"" : string(1, c);
  std::cout << "  printf(\"" << escaped << "\\n\"" << (arguments.empty() ? "" : ", ") << arguments << ");\n";
}

const char* comma(std::size_t i, std::size_t count) { return i + 1 < count ? "," : ""; }

void print_functions(const char* key, const std::vector<function>& functions) {
  print(string(" \"") + key + "\": [");
  for (std::size_t f = 0; f < functions.size(); ++f) {
    string parameters;
    for (const parameter& p : functions[f].parameters)
      parameters +=
          string(parameters.empty() ? "" : ", ") + "{\"type\": \"" + p.type + "\", \"name\": \"" + p.name + "\"}";
    print("  {\"name\": \"" + functions[f].name + "\", \"returns\": \"" + functions[f].returns +
          "\", \"parameters\": [" + parameters + "]}" + comma(f, functions.size()));
  }
  print(" ],");
}

void print_constants(const std::vector<string>& constants) {
  print(" \"constants\": {");
  for (std::size_t c = 0; c < constants.size(); ++c)
    print("  \"" + constants[c] + "\": %ld" + comma(c, constants.size()), "(long)" + constants[c]);
  print(" },");
}

void print_structs(const std::vector<record>& structs) {
  print(" \"structs\": {");
  for (std::size_t s = 0; s < structs.size(); ++s) {
    const auto& [name, fields] = structs[s];
    print("  \"" + name + "\": {\"size\": %zu, \"fields\": {", "sizeof(" + name + ")");
    for (std::size_t f = 0; f < fields.size(); ++f)
      print("   \"" + fields[f].name + "\": {\"offset\": %zu, \"size\": %zu, \"type\": \"" + fields[f].type + "\"}" +
                comma(f, fields.size()),
            "offsetof(" + name + ", " + fields[f].name + "), sizeof(((" + name + "*)0)->" + fields[f].name + ")");
    print(string("  }}") + comma(s, structs.size()));
  }
  print(" }");
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) throw std::runtime_error("usage: describe_header eplb.h");
  std::ifstream file(argv[1]);
  const header h = parse({std::istreambuf_iterator<char>(file), {}});
  std::cout << "#include <eplb/eplb.h>\n#include <stddef.h>\n#include <stdio.h>\n\n"
               "void (*every_function_is_in_the_library[])(void) = {\n";
  for (const function& f : h.functions) std::cout << "  (void (*)(void))" << f.name << ",\n";
  std::cout << "};\n\nint main(void) {\n";
  print("{");
  print(" \"version\": \"%d.%d.%d\",", "EPLB_VERSION_MAJOR, EPLB_VERSION_MINOR, EPLB_VERSION_PATCH");
  print_functions("functions", h.functions);
  print_functions("callbacks", h.callbacks);
  print_constants(h.constants);
  print_structs(h.structs);
  print("}");
  std::cout << "  return 0;\n}\n";
} catch (const std::exception& e) {
  std::fprintf(stderr, "describe_header: %s\n", e.what());
  return 1;
}
