// SPDX-License-Identifier: MIT
// What WebDAV does to files and folders: each call blocks its worker, as in nginx. A failure leaves errno and says in `what`
// which call failed, and on which path.
#pragma once
#include <sys/types.h>
#include <time.h>

#include <string>

namespace mw {

/// Where an operation stopped.
struct DavFailure {
  const char *what = nullptr;
  std::string path;
  int err = 0;
};

/// Removes a file, or a folder with all that is in it.
bool dav_remove(const std::string &path, bool is_dir, DavFailure &failure);
/// Copies a file, with its rights and time.
bool dav_copy_file(const std::string &from, const std::string &to, DavFailure &failure);
/// Copies a folder: files and folders; what is neither is left out.
bool dav_copy_tree(const std::string &from, const std::string &to, DavFailure &failure);
/// Whether one is the other, or lies in it, links resolved: to copy or move a folder into itself has no end, and to make room
/// for what lies in the target, or is it, would lose it.
bool dav_overlaps(const std::string &from, const std::string &to);
/// Renames a file, over file systems too; `makes_path`: the folders it needs are made, with rights `access`.
bool dav_move_file(const std::string &from, const std::string &to, bool makes_path, mode_t access, DavFailure &failure);
/// The rights of a folder whose files have `access`: who may read may enter.
inline mode_t dav_dir_access(mode_t access) { return access | (access & 0444) >> 2; }

}  // namespace mw
