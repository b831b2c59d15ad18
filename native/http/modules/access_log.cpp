// SPDX-License-Identifier: MIT
// See access_log.h.
#include "http/modules/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "http/variable.h"

namespace mw {

static int open_append(const std::string &path) {
  return open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
}

LogFiles::~LogFiles() {
  for (File &f : files)
    if (f.fd > 2) close(f.fd);
}

int LogFiles::fd_of(const std::string &path) const {
  if (path == "stderr" || path == "/dev/stderr") return 2;
  if (path == "/dev/stdout") return 1;
  for (const File &f : files)
    if (f.path == path) return f.fd;
  return -1;
}

void LogFiles::reopen() {
  for (File &f : files) {
    int fd = open_append(f.path);
    if (fd < 0) {
      log_write(main, kLogEmerg, errno, nullptr, "open() \"%s\" failed", f.path.c_str());
      continue;
    }
    dup3(fd, f.fd, O_CLOEXEC);  // writers keep the number: no lock is needed
    close(fd);
  }
}

static bool add_file(LogFiles &files, const std::string &path, std::string &error) {
  if (files.fd_of(path) >= 0) return true;
  int fd = open_append(path);
  if (fd < 0) {
    error = "open() \"" + path + "\" failed (" + std::to_string(errno) + ": " + strerror(errno) + ")";
    return false;
  }
  files.files.push_back({path, fd});
  return true;
}

static void add_sinks(LogFiles &files, Log &log, const std::vector<ErrorLog> &error_logs) {
  for (const ErrorLog &e : error_logs) {
    files.is_debug |= static_cast<LogLevelId>(e.level) == kLogDebug;
    LogLevelId level = static_cast<LogLevelId>(e.level);
    log.sinks.push_back({files.fd_of(e.path), level});
    if (log.sinks.size() == 1 || level > log.level) log.level = level;
  }
}

static bool add_level(LogFiles &files, const LocationConf &conf, std::string &error) {
  for (const AccessLog &a : conf.access_logs)
    if (!add_file(files, a.path, error)) return false;
  for (const ErrorLog &e : conf.error_logs)
    if (!add_file(files, e.path, error)) return false;
  if (!conf.error_logs.empty()) add_sinks(files, files.own[&conf], conf.error_logs);
  return true;
}

static bool add_locations(LogFiles &files, const std::vector<Location> &locations, std::string &error) {
  for (const Location &l : locations)
    if (!add_level(files, l.conf, error) || !add_locations(files, l.children, error)) return false;
  return true;
}

std::shared_ptr<LogFiles> log_files_open(const Plan &plan, std::string &error) {
  auto files = std::make_shared<LogFiles>();
  for (const ErrorLog &e : plan.error_logs)
    if (!add_file(*files, e.path, error)) return nullptr;
  for (const ServerConf &s : plan.servers)
    if (!add_level(*files, s.conf, error) || !add_locations(*files, s.locations, error)) return nullptr;
  add_sinks(*files, files->main, plan.error_logs);
  if (files->main.sinks.empty()) files->main.sinks.push_back({2, kLogError});
  return files;
}

/// Bytes that would break a line or a reader are written as \xHH (log_format escape=default), or JSON's way.
static void append_escaped(std::string &line, Str value, uint8_t mode) {
  if (mode == 2) {
    line.append(value);
    return;
  }
  static constexpr char kHex[] = "0123456789ABCDEF";
  for (char c : value) {
    unsigned char u = static_cast<unsigned char>(c);
    if (mode == 0 && (u < 0x20 || u >= 0x7f || c == '"' || c == '\\')) {
      line.append("\\x").push_back(kHex[u >> 4]);
      line.push_back(kHex[u & 15]);
    } else if (mode == 1 && (c == '"' || c == '\\')) {
      line.push_back('\\');
      line.push_back(c);
    } else if (size_t i = Str("\n\r\t\b\f").find(c); mode == 1 && i != Str::npos) {
      line.append({'\\', "nrtbf"[i]});
    } else if (mode == 1 && u < 0x20) {
      line.append("\\u00").push_back(kHex[u >> 4]);
      line.push_back(kHex[u & 15]);
    } else {
      line.push_back(c);
    }
  }
}

void access_log_write(Request *r) {
  for (const AccessLog &log : r->conf->access_logs) {
    const LogFormat &format = r->plan->log_formats[static_cast<size_t>(log.format)];
    static thread_local std::string line;
    line.clear();
    for (const ComplexValue::Part &p : format.format.parts) {
      if (p.var < 0) {
        line.append(p.literal);
        continue;
      }
      const VarDef &def = r->core->vars->defs[static_cast<size_t>(p.var)];
      Str value;
      if (!def.get(r, def, value) || (value.empty() && format.escape == 0))
        value = format.escape == 0 ? Str("-") : Str("");
      append_escaped(line, value, format.escape);
    }
    line.push_back('\n');
    int fd = r->core->files->fd_of(log.path);
    if (fd >= 0 && write(fd, line.data(), line.size()) < 0)
      log_write(r->log(), kLogAlert, errno, &r->log_ctx, "write() to \"%s\" failed", log.path.c_str());
  }
}

}  // namespace mw
