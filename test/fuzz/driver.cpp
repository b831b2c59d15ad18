// SPDX-License-Identifier: MIT
// The main of every fuzz target: NAME_fuzz [--seed N] [--seconds N] [--runs N] [FILE...]. A target defines libFuzzer's
// entry `LLVMFuzzerTestOneInput`; this driver feeds it the files of test/fuzz/corpus/NAME (or the FILEs alone) and
// seeded mutations of them. One seed always makes the same inputs; a crash prints the seed and leaves crash-NAME.bin.
#include <dirent.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

std::string crash_file, current;

/// splitmix64: small, seedable, the same everywhere.
struct Random {
  uint64_t state;
  uint64_t next() {
    uint64_t z = (state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  size_t below(size_t n) { return n == 0 ? 0 : static_cast<size_t>(next() % n); }
};

void save_current() {
  FILE *f = std::fopen(crash_file.c_str(), "wb");
  if (!f) return;
  std::fwrite(current.data(), 1, current.size(), f);
  std::fclose(f);
  std::fprintf(stderr, "input of the crash: %s (%zu bytes)\n", crash_file.c_str(), current.size());
}

void on_signal(int sig) {
  save_current();
  signal(sig, SIG_DFL);
  raise(sig);
}

void run_one(const std::string &input) {
  current = input;
  // An exact-size heap copy, so that ASan sees a read one byte past the end.
  std::vector<uint8_t> copy(input.begin(), input.end());
  copy.shrink_to_fit();
  LLVMFuzzerTestOneInput(copy.data(), copy.size());
}

std::string read_file(const std::string &path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> read_corpus(const std::string &folder) {
  std::vector<std::string> names, out;
  if (DIR *d = opendir(folder.c_str())) {
    while (dirent *e = readdir(d))
      if (e->d_name[0] != '.') names.push_back(folder + "/" + e->d_name);
    closedir(d);
  }
  std::sort(names.begin(), names.end());
  for (const std::string &n : names) out.push_back(read_file(n));
  return out;
}

void mutate_once(std::string &s, Random &r, const std::vector<std::string> &corpus) {
  static const char special[] = "\r\n\t \0:;,\"'\\{}()[]#$%/?=&-09azAZ\x7f\x80\xff";
  const size_t at = r.below(s.size() + 1), n = 1 + r.below(8);
  switch (r.below(9)) {
    case 0:
      if (!s.empty()) s[r.below(s.size())] = static_cast<char>(r.next());
      break;
    case 1:
      if (!s.empty()) s[r.below(s.size())] = special[r.below(sizeof(special) - 1)];
      break;
    case 2: s.insert(at, 1, special[r.below(sizeof(special) - 1)]); break;
    case 3: s.erase(at, n); break;
    case 4: s.resize(at); break;
    case 5: s.insert(at, s.substr(r.below(s.size() + 1), n * 4)); break;
    case 6: s.insert(at, r.below(300), at > 0 ? s[at - 1] : 'a'); break;
    case 7:
      if (!s.empty()) s[r.below(s.size())] ^= static_cast<char>(1 << r.below(8));
      break;
    default: {
      const std::string &other = corpus[r.below(corpus.size())];
      s = s.substr(0, at) + other.substr(r.below(other.size() + 1));
    }
  }
  if (s.size() > 65536) s.resize(65536);
}

}  // namespace

int main(int argc, char **argv) {
  uint64_t seed = 1, runs = UINT64_MAX;
  double seconds = 5;
  std::vector<std::string> files;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--seed" && i + 1 < argc)
      seed = std::strtoull(argv[++i], nullptr, 10);
    else if (arg == "--seconds" && i + 1 < argc)
      seconds = std::strtod(argv[++i], nullptr);
    else if (arg == "--runs" && i + 1 < argc)
      runs = std::strtoull(argv[++i], nullptr, 10);
    else
      files.push_back(arg);
  }
  std::string name = argv[0];
  name = name.substr(name.rfind('/') + 1);
  crash_file = "crash-" + name + ".bin";
  for (int sig : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL}) signal(sig, on_signal);
  if (!files.empty()) {
    for (const std::string &f : files) run_one(read_file(f));
    std::printf("%s: %zu files\n", name.c_str(), files.size());
    return 0;
  }
  const std::string stem = name.substr(0, name.rfind("_fuzz"));
  std::vector<std::string> corpus = read_corpus("test/fuzz/corpus/" + stem);
  for (const std::string &input : corpus) run_one(input);
  if (corpus.empty()) corpus.push_back("");
  std::printf("%s: seed %llu, %zu files of the corpus\n", name.c_str(), static_cast<unsigned long long>(seed),
              corpus.size());
  std::fflush(stdout);
  Random random{seed};
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  uint64_t done = 0;
  while (done < runs && ((done & 63) != 0 || std::chrono::steady_clock::now() < end)) {
    std::string input = corpus[random.below(corpus.size())];
    for (size_t k = 1 + random.below(6); k > 0; --k) mutate_once(input, random, corpus);
    run_one(input);
    ++done;
  }
  std::printf("%s: %llu inputs, no failure\n", name.c_str(), static_cast<unsigned long long>(done));
  return 0;
}
