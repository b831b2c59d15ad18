// SPDX-License-Identifier: MIT
// See random_index.h.
#include "http/modules/random_index.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include <random>
#include <string>
#include <vector>

#include "http/modules/static.h"
#include "http/phase.h"

namespace mw {

/// The regular files of a folder that are not hidden.
static std::vector<std::string> list_files(Request *r, DIR *dir, const std::string &path) {
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent *entry = readdir(dir);
    if (!entry) break;
    if (entry->d_name[0] == '.') continue;
    struct stat st;
    if (stat((path + entry->d_name).c_str(), &st) == 0 && S_ISREG(st.st_mode)) names.push_back(entry->d_name);
  }
  if (errno) log_write(r->log(), kLogCrit, errno, &r->log_ctx, "readdir() \"%s\" failed", path.c_str());
  return names;
}

Rc random_index_run(Request *r) {
  std::string path(static_path(r, r->uri));
  DIR *dir = path.find('\0') == std::string::npos ? opendir(path.c_str()) : nullptr;
  if (!dir) {
    int err = errno;
    bool is_missing = err == ENOENT || err == ENOTDIR || err == ENAMETOOLONG;
    log_write(r->log(), is_missing || err == EACCES ? kLogError : kLogCrit, err, &r->log_ctx, "opendir() \"%s\" failed",
              path.c_str());
    return is_missing ? 404 : err == EACCES ? 403 : 500;
  }
  std::vector<std::string> names = list_files(r, dir, path);
  closedir(dir);
  if (names.empty()) return kDeclined;
  static thread_local std::minstd_rand chance{std::random_device{}()};
  std::string uri(r->uri);
  uri += names[chance() % names.size()];
  http_internal_redirect(r, uri, r->args);
  return kDone;
}

}  // namespace mw
