// SPDX-License-Identifier: MIT
#include "tool.h"

#include <fcntl.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace {

namespace fs = std::filesystem;

std::string contents_of(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

[[noreturn]] void become_tool(const fs::path& directory, const Arguments& arguments) {
  std::vector<char*> argv = {const_cast<char*>("eplb")};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  if (chdir(directory.c_str()) == 0) execv(EPLB_TOOL_PATH, argv.data());
  _exit(127);
}

int exit_status_of(pid_t process) {
  int status = 0;
  waitpid(process, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void redirect(const fs::path& path, int flags, int target) {
  const int file = open(path.c_str(), flags, 0600);
  if (file < 0 || dup2(file, target) < 0) _exit(127);
  close(file);
}

fs::path new_directory() {
  std::string name = (fs::temp_directory_path() / "eplb-cli-test.XXXXXX").string();
  if (!mkdtemp(name.data())) throw std::runtime_error("no directory for the test");
  return name;
}

}  // namespace

Outcome run_tool(const fs::path& directory, const Arguments& arguments, const std::string& input,
                 const fs::path& device) {
  const fs::path streams = new_directory();
  std::ofstream(streams / "in", std::ios::binary) << input;
  const pid_t process = fork();
  if (process == 0) {
    redirect(streams / "in", O_RDONLY, STDIN_FILENO);
    redirect(device.empty() ? streams / "out" : device, O_WRONLY | O_CREAT, STDOUT_FILENO);
    redirect(streams / "err", O_WRONLY | O_CREAT, STDERR_FILENO);
    become_tool(directory, arguments);
  }
  const int status = exit_status_of(process);
  Outcome outcome{status, contents_of(streams / "out"), contents_of(streams / "err")};
  fs::remove_all(streams);
  return outcome;
}

bool can_open_terminal() {
  int terminal = -1, program_side = -1;
  if (openpty(&terminal, &program_side, nullptr, nullptr, nullptr) != 0) return false;
  close(terminal);
  close(program_side);
  return true;
}

Outcome run_tool_on_terminal(const fs::path& directory, const Arguments& arguments, const std::string& awaited) {
  int terminal = -1;
  const pid_t process = forkpty(&terminal, nullptr, nullptr, nullptr);
  if (process == 0) become_tool(directory, arguments);
  std::string shown;
  char buffer[4096];
  bool is_pressed = awaited.empty();
  for (ssize_t got; (got = ::read(terminal, buffer, sizeof buffer)) > 0;) {
    shown.append(buffer, static_cast<std::size_t>(got));
    if (!is_pressed && shown.find(awaited) != shown.npos) is_pressed = ::write(terminal, "\x03", 1) == 1;
  }
  close(terminal);
  return {exit_status_of(process), shown, ""};
}

ToolTest::ToolTest() : directory(new_directory()) {}

ToolTest::~ToolTest() { fs::remove_all(directory); }

Json ToolTest::run_json(const Arguments& arguments, const std::string& input) {
  const Outcome outcome = run(arguments, input);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  return Json::parse(outcome.out, nullptr, false);
}

void ToolTest::expect_error(int status, const std::vector<std::string>& words, const Arguments& arguments,
                            const std::string& input) {
  const Outcome outcome = run(arguments, input);
  EXPECT_EQ(outcome.status, status);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err.rfind("eplb: ", 0), 0u) << outcome.err;
  const auto lines = std::count(outcome.err.begin(), outcome.err.end(), '\n');
  EXPECT_EQ(lines, status == 2 ? 2 : 1) << outcome.err;  // usage errors have a hint below
  for (const std::string& word : words)
    EXPECT_NE(outcome.err.find(word), std::string::npos) << word << " in " << outcome.err;
  if (status == 2) {
    EXPECT_NE(outcome.err.find("--help"), std::string::npos) << outcome.err;
  }
}

void ToolTest::write(const std::string& name, const std::string& contents) const {
  std::ofstream(directory / name, std::ios::binary) << contents;
}

std::string ToolTest::read(const std::string& name) const { return contents_of(directory / name); }

Json some_loads(int layers, int experts, int step) {
  Json loads = Json::array();
  for (int layer = 0; layer < layers; ++layer) {
    Json row = Json::array();
    for (int expert = 0; expert < experts; ++expert) row.push_back((expert * step + layer * 11) % 101 * 10 + 1);
    loads.push_back(row);
  }
  return loads;
}

std::string Npy::text() const {
  std::string header = "{'descr': '" + descr + "', 'fortran_order': " + fortran_order + ", 'shape': " + shape + ", }";
  const std::size_t prefix = version == 1 ? 10 : 12;
  header.append(63 - (prefix + header.size()) % 64, ' ');
  header += '\n';
  std::string file = "\x93NUMPY";
  file += static_cast<char>(version);
  file += '\0';
  const std::size_t length = header.size();
  for (std::size_t byte = 0; byte < prefix - 8; ++byte) file += static_cast<char>(length >> 8 * byte & 0xff);
  return file + header + data;
}
