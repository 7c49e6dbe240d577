// The layer table of docs/architecture.md against the #include lines of src/: who includes whom.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace galago {
namespace {

namespace fs = std::filesystem;
using Table = std::map<std::string, std::set<std::string>>;  // folder -> folders it may include

std::set<std::string> words(const std::string& text) {
  std::set<std::string> found;
  static const std::regex word("[a-z_]+");
  for (std::sregex_iterator at(text.begin(), text.end(), word), end; at != end; ++at) found.insert(at->str());
  return found;
}

// Rows "| folder, folder | folder, folder |" between the head "| Folder | May include |" and the first other line.
Table parse_table(std::istream& document) {
  static const std::regex row(R"(\| ([a-z_, ]+) \| ([a-z_, ]*)\|.*)");
  Table table;
  bool inside = false;
  for (std::string line; std::getline(document, line);) {
    std::smatch cells;
    if (line.starts_with("| Folder | May include |"))
      inside = true;
    else if (inside && !line.starts_with("|"))
      break;
    else if (inside && std::regex_match(line, cells, row))
      for (const std::string& folder : words(cells[1])) table[folder] = words(cells[2]);
  }
  return table;
}

// What one line breaks, as a sentence; empty if nothing.
std::string complaint(const Table& table, const std::string& folder, const std::string& line) {
  static const std::regex own(R"re(\s*#\s*include\s*"([a-z_]+)/.*)re"),
      torch(R"(\s*#\s*include\s*<(torch|ATen|c10)/.*)");
  std::smatch match;
  if (std::regex_match(line, match, torch) && folder != "torch")
    return "includes a header of libtorch; only src/torch may. Use torch/executor.h or torch/trainer_program.h.";
  if (!std::regex_match(line, match, own) || match[1] == folder) return "";
  if (table.at(folder).contains(match[1])) return "";
  return folder + " may not include " + match[1].str() +
         ". Move the code, or change the table in docs/architecture.md with a reason.";
}

// Every complaint below `root`, each with file and line.
std::vector<std::string> check_tree(const fs::path& root, const Table& table) {
  std::vector<std::string> complaints;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    fs::path path = fs::relative(entry.path(), root);
    if (path.extension() != ".h" && path.extension() != ".cc" && path.extension() != ".def") continue;
    std::string folder = *path.begin();
    if (!table.contains(folder)) {
      complaints.push_back("src/" + path.string() + ": the folder is not in the table of docs/architecture.md");
      continue;
    }
    std::ifstream file(entry.path());
    int number = 1;
    for (std::string line; std::getline(file, line); ++number)
      if (std::string text = complaint(table, folder, line); !text.empty())
        complaints.push_back("src/" + path.string() + ":" + std::to_string(number) + ": " + text);
  }
  return complaints;
}

Table documented() {
  std::ifstream document(GALAGO_SOURCE_DIR "/docs/architecture.md");
  return parse_table(document);
}

TEST(Layers, EveryIncludeFollowsTheTable) {
  Table table = documented();
  ASSERT_GE(table.size(), 15u) << "docs/architecture.md has no table \"| Folder | May include |\"";
  for (const std::string& text : check_tree(GALAGO_SOURCE_DIR "/src", table)) ADD_FAILURE() << text;
}

TEST(Layers, TheTableHasNoCycle) {
  Table left = documented();
  while (!left.empty()) {
    auto free = std::find_if(left.begin(), left.end(), [&](const auto& row) {
      return std::none_of(row.second.begin(), row.second.end(), [&](auto& name) { return left.contains(name); });
    });
    ASSERT_NE(free, left.end()) << "among others around " << left.begin()->first;
    left.erase(free);
  }
}

TEST(Layers, ComplaintsNameTheRule) {
  std::istringstream document(
      "| Folder | May include |\n| --- | --- |\n| base | |\n| cpu, torch | base |\n\n| nn | cpu |\n");
  Table table = parse_table(document);
  EXPECT_EQ(table, (Table{{"base", {}}, {"cpu", {"base"}}, {"torch", {"base"}}}));
  EXPECT_EQ(complaint(table, "cpu", "#include \"base/error.h\""), "");
  EXPECT_EQ(complaint(table, "cpu", "#include \"cpu/plan.h\""), "");
  EXPECT_EQ(complaint(table, "cpu", "#include <vector>"), "");
  EXPECT_EQ(complaint(table, "torch", "#include <ATen/ATen.h>"), "");
  EXPECT_NE(complaint(table, "cpu", "#include <torch/torch.h>").find("libtorch"), std::string::npos);
  EXPECT_NE(complaint(table, "base", "#include \"cpu/plan.h\"").find("base may not include cpu"), std::string::npos);
}

}  // namespace
}  // namespace galago
