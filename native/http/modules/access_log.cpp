// SPDX-License-Identifier: MIT
// See access_log.h.
#include "http/modules/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "http/modules/gzip.h"
#include "http/modules/log_file_cache.h"
#include "http/variable.h"

namespace mw {

static bool is_regular(int fd) {
  struct stat st;
  return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

LogFiles::~LogFiles() {
  for (File &f : files) {
    if (f.syslog)
      syslog_close(*f.syslog);
    else if (f.fd > 2)
      close(f.fd);
  }
}

LogSink LogFiles::sink_of(const std::string &path) const {
  LogSink sink;
  sink.fd = -1;
  if (path == "stderr" || path == "/dev/stderr") return sink.fd = 2, sink;
  if (path == "/dev/stdout") return sink.fd = 1, sink;
  for (const File &f : files)
    if (f.path == path) {
      sink.fd = f.fd;
      sink.is_file = f.is_regular;
      sink.syslog = f.syslog.get();
    }
  return sink;
}

static bool is_open(const LogSink &sink) { return sink.fd >= 0 || sink.syslog; }

void LogFiles::reopen() {
  for (File &f : files) {
    if (f.syslog) continue;
    int fd = log_file_append(f.path);
    if (fd < 0) {
      log_write(main, kLogEmerg, errno, nullptr, "open() \"%s\" failed", f.path.c_str());
      continue;
    }
    dup3(fd, f.fd, O_CLOEXEC);  // writers keep the number: no lock is needed
    close(fd);
  }
}

/// What opening it would come to, where it is not to be made; errno as open() sets it.
static bool may_append(const std::string &path) {
  struct stat st;
  if (stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) return errno = EISDIR, false;
  if (access(path.c_str(), F_OK) == 0) return access(path.c_str(), W_OK) == 0;
  size_t slash = path.rfind('/');
  std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  return errno == ENOENT && access(folder.c_str(), W_OK | X_OK) == 0;
}

/// The log files of a plan as they are opened.
struct LogOpening {
  LogFiles &files;
  bool may_create;
  Problems &problems;

  void add(const std::string &path, const SourcePos &pos);
  void add_errors(const LocationConf &conf);
  void add_level(const LocationConf &conf);
  void add_locations(const std::vector<Location> &locations);
};

void LogOpening::add(const std::string &path, const SourcePos &pos) {
  if (is_open(files.sink_of(path))) return;
  LogFiles::File file;
  file.path = path;
  if (path.compare(0, 7, "syslog:") == 0) {
    file.syslog = std::make_unique<Syslog>();
    std::string error;
    if (!syslog_open(path, *file.syslog, error)) return problems.add(error, pos);
  } else {
    bool is_good = may_create ? (file.fd = log_file_append(path)) >= 0 : may_append(path);
    if (!is_good)
      problems.add("open() \"" + path + "\" failed (" + std::to_string(errno) + ": " + strerror(errno) + ")", pos);
    if (file.fd < 0) return;
  }
  file.is_regular = !file.syslog && is_regular(file.fd);
  files.files.push_back(std::move(file));
}

static void add_sinks(LogFiles &files, Log &log, const std::vector<ErrorLog> &error_logs) {
  for (const ErrorLog &e : error_logs) {
    LogSink sink = files.sink_of(e.path);
    sink.level = static_cast<LogLevelId>(e.level);
    files.is_debug |= sink.level == kLogDebug;
    log.sinks.push_back(sink);
    if (log.sinks.size() == 1 || sink.level > log.level) log.level = sink.level;
  }
}

void LogOpening::add_errors(const LocationConf &conf) {
  for (const ErrorLog &e : conf.error_logs) add(e.path, e.pos);
  if (!conf.error_logs.empty()) add_sinks(files, files.own[&conf], conf.error_logs);
}

void LogOpening::add_level(const LocationConf &conf) {
  for (const AccessLog &a : conf.access_logs) {
    files.is_buffered |= a.buffer > 0;
    if (a.path.is_constant()) add(a.path.constant(), a.pos);
  }
  add_errors(conf);
}

void LogOpening::add_locations(const std::vector<Location> &locations) {
  for (const Location &l : locations) {
    add_level(l.conf);
    add_locations(l.children);
  }
}

std::shared_ptr<LogFiles> log_files_open(const Plan &plan, bool may_create, Problems &problems) {
  auto files = std::make_shared<LogFiles>();
  LogOpening opening{*files, may_create, problems};
  for (const ErrorLog &e : plan.error_logs) opening.add(e.path, e.pos);
  opening.add_errors(plan.http_conf);
  for (const LocationConf &conf : plan.if_confs) opening.add_level(conf);
  for (const ServerConf &s : plan.servers) {
    opening.add_level(s.conf);
    opening.add_locations(s.locations);
  }
  add_sinks(*files, files->main, plan.error_logs);
  if (files->main.sinks.empty()) files->main.sinks.push_back({});
  return files;
}

// --- buffers ---------------------------------------------------------------------------------------------------------

/// Lines of one file that wait in a worker.
struct LogBuffer {
  Timer timer{};
  HttpCore *core = nullptr;
  std::string path, data;
  size_t limit = 0;
  uint32_t gzip = 0;  ///< level
};

/// A worker's buffers; few, so they are searched. And its caches of open files, by index of Plan::log_caches.
struct LogBuffers {
  std::vector<std::unique_ptr<LogBuffer>> list;
  std::vector<std::unique_ptr<LogFileCache>> caches;
};

static void write_out(const Log &errors, const LogContext *ctx, const std::string &path, const LogSink &sink,
                      Str text) {
  if (sink.syslog) return syslog_send(*sink.syslog, -1, text.substr(0, text.size() - 1));
  if (sink.fd < 0 || log_put(sink, text)) return;
  // Once a minute: whatever is wrong with it goes on for longer than a line.
  int err = errno;
  static thread_local std::unordered_map<std::string, time_t> told;
  time_t now = time(nullptr), &last = told[path];
  if (now - last < 60) return;
  last = now;
  log_write(errors, kLogAlert, err, ctx, "write() to \"%s\" failed", path.c_str());
}

/// Lines of the buffer's file leave, compressed where it says so: a gzip member of their own, as gunzip reads them in a row.
static void write_lines(const LogBuffer *b, Str lines) {
  LogSink sink = b->core->files->sink_of(b->path);
  if (b->gzip == 0) return write_out(*b->core->log, nullptr, b->path, sink, lines);
  std::string packed;
  if (gzip_pack(lines, static_cast<int>(b->gzip), packed))
    return write_out(*b->core->log, nullptr, b->path, sink, packed);
  log_write(*b->core->log, kLogAlert, 0, nullptr, "deflate() failed, lines of \"%s\" are lost", b->path.c_str());
}

static void flush_buffer(LogBuffer *b) {
  b->core->loop->disarm(&b->timer);
  if (b->data.empty()) return;
  write_lines(b, b->data);
  b->data.clear();
}

static void on_flush(Timer *t) { flush_buffer(reinterpret_cast<LogBuffer *>(t)); }

static LogBuffers &buffers_of(HttpCore *core) {
  if (!core->log_buffers) core->log_buffers = std::make_shared<LogBuffers>();
  return *core->log_buffers;
}

static LogBuffer *buffer_of(HttpCore *core, const AccessLog &log) {
  buffers_of(core);
  for (auto &b : core->log_buffers->list)
    if (b->path == log.path.constant()) return b.get();
  auto made = std::make_unique<LogBuffer>();
  made->core = core;
  made->path = log.path.constant();
  made->limit = log.buffer;
  made->gzip = log.gzip;
  made->timer.fire = on_flush;
  made->data.reserve(made->limit);
  core->log_buffers->list.push_back(std::move(made));
  return core->log_buffers->list.back().get();
}

void access_log_flush(HttpCore *core) {
  if (!core->log_buffers) return;
  for (auto &b : core->log_buffers->list) flush_buffer(b.get());
}

static void hold_back(Request *r, const AccessLog &log, Str line) {
  LogBuffer *b = buffer_of(r->core, log);
  if (b->data.size() + line.size() > b->limit) flush_buffer(b);
  if (line.size() > b->limit) return write_lines(b, line);  // it finds no room
  b->data.append(line);
  if (log.flush && !b->timer.is_armed()) r->core->loop->arm(&b->timer, log.flush);
}

// --- lines -----------------------------------------------------------------------------------------------------------

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

static void make_line(Request *r, const LogFormat &format, std::string &line) {
  line.clear();
  for (const ComplexValue::Part &p : format.format.parts) {
    if (p.var < 0) {
      line.append(p.literal);
      continue;
    }
    const VarDef &def = r->core->vars->defs[static_cast<size_t>(p.var)];
    Str value;
    if (!def.get(r, def, value))  // one that is there, but empty, is empty: nginx's difference
      value = format.escape == 0 ? Str("-") : Str("");
    append_escaped(line, value, format.escape);
  }
  line.push_back('\n');
}

static bool is_wanted(Request *r, const AccessLog &log) {
  if (!log.has_condition) return true;
  Str value = complex_value(r, log.condition);
  return !value.empty() && value != "0";
}

/// What open_log_file_cache of the request's location keeps in this worker; null without one.
static LogFileCache *cache_of(Request *r) {
  int32_t index = r->conf->open_log_file_cache;
  if (index < 0) return nullptr;
  auto &caches = buffers_of(r->core).caches;
  const std::vector<LogCacheConf> &confs = r->plan->log_caches;
  caches.resize(confs.size());
  auto &cache = caches[static_cast<size_t>(index)];
  if (!cache) cache = std::make_unique<LogFileCache>(confs[static_cast<size_t>(index)]);
  return cache.get();
}

/// A file whose name is computed: opened for the line, where the request's root is there (else any client could make files).
static void write_computed(Request *r, const AccessLog &log, Str line) {
  struct stat st;
  std::string root(complex_value(r, r->conf->root));
  if (stat(root.c_str(), &st) < 0 || !S_ISDIR(st.st_mode)) {
    log_write(r->log(), kLogError, errno, &r->log_ctx, "testing \"%s\" existence failed", root.c_str());
    return;
  }
  std::string path(complex_value(r, log.path));
  if (path.empty() || path[0] != '/') path = r->plan->prefix + path;
  LogSink sink;
  bool is_kept = false;
  LogFileCache *cache = cache_of(r);
  sink.fd = cache ? cache->open(path, r->core->loop->now_ms(), is_kept) : log_file_append(path);
  if (sink.fd < 0) {
    log_write(r->log(), kLogCrit, errno, &r->log_ctx, "open() \"%s\" failed", path.c_str());
    return;
  }
  sink.is_file = is_regular(sink.fd);
  write_out(r->log(), &r->log_ctx, path, sink, line);
  if (!is_kept) close(sink.fd);
}

void access_log_write(Request *r) {
  for (const AccessLog &log : r->conf->access_logs) {
    if (!is_wanted(r, log)) continue;
    static thread_local std::string line;
    make_line(r, r->plan->log_formats[static_cast<size_t>(log.format)], line);
    if (!log.path.is_constant())
      write_computed(r, log, line);
    else if (log.buffer)
      hold_back(r, log, line);
    else
      write_out(r->log(), &r->log_ctx, log.path.constant(), r->core->files->sink_of(log.path.constant()), line);
  }
}

}  // namespace mw
