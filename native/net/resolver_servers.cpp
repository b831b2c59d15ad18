// SPDX-License-Identifier: MIT
// See resolver.h: how the name servers of the configuration are asked. As in nginx a name is over when both its A and its AAAA
// records are known; an error of either is the name's; a CNAME without addresses leads to another name. An answer that is
// malformed is none, and "format error" is an answer only when all servers give it.
#include <ares.h>

#include <algorithm>

#include "net/resolver.h"

namespace mw {

static constexpr uint64_t kFirstAgainMs = 2000, kAgainMs = 5000;  ///< nginx's resend_timeout is 5 s
static constexpr uint64_t kNotFoundValidMs = 1000;                ///< other errors are not kept at all
static constexpr uint8_t kFormatError = 1, kNoSuchName = 3;
static constexpr uint8_t kWantsA = 1, kWantsAaaa = 2;

static uint8_t bit_of(DnsType type) { return type == DnsType::a ? kWantsA : kWantsAaaa; }

static const char *text_of(uint8_t code) {
  switch (code) {
    case kFormatError: return "(1: Format error)";
    case 0:
    case kNoSuchName: return "(3: Host not found)";
    case 4: return "(4: Unimplemented)";
    case 5: return "(5: Operation refused)";
    default: return "(2: Server failure)";
  }
}

void Resolver::ask_servers(const std::string &host, Name *n) {
  std::string probe;
  n->found.clear();
  n->next_name.clear();
  n->code = 0;
  n->ttl = UINT32_MAX;
  n->resends = 0;
  n->is_asked = true;
  if (!dns_query(host, DnsType::a, probe)) return conclude(n);
  n->pending = static_cast<uint8_t>((conf_.ipv4 ? kWantsA : 0) | (conf_.ipv6 ? kWantsAaaa : 0));
  n->server = turn_++ % static_cast<uint32_t>(channels_.size());
  send_pending(n);
}

void Resolver::send_pending(Name *n) {
  loop_->arm(&n->again, n->resends == 0 ? kFirstAgainMs : kAgainMs);
  for (DnsType type : {DnsType::a, DnsType::aaaa})
    if (n->pending & bit_of(type)) send(n, type, n->server, 1);
  schedule();
}

void Resolver::send(Name *n, DnsType type, uint32_t server, uint32_t tried) {
  std::string message;
  if (!dns_query(*n->host, type, message)) return;
  ++n->queries;
  ares_send(channels_[server]->ares, reinterpret_cast<const unsigned char *>(message.data()),
            static_cast<int>(message.size()), on_reply, new Query{n, type, server, tried});
}

void Resolver::ask_again(Name *n) {
  if (!n->waiting) {
    n->is_asked = false;
    return;
  }
  ++n->resends;
  n->server = (n->server + 1) % static_cast<uint32_t>(channels_.size());
  send_pending(n);
}

void Resolver::on_reply(void *arg, int status, int, unsigned char *reply, int size) {
  std::unique_ptr<Query> q(static_cast<Query *>(arg));
  Name *n = q->name;
  Resolver *r = n->resolver;
  --n->queries;
  if (r->is_ending_ || !(n->pending & bit_of(q->type)) || status == ARES_ETIMEOUT) return;
  DnsAnswer answer;
  bool is_answer = status == ARES_SUCCESS && reply && size > 0;
  if (is_answer && !dns_parse({reinterpret_cast<const char *>(reply), static_cast<size_t>(size)}, q->type, answer))
    return;  // it will be asked again
  if (is_answer && answer.code != kFormatError) return r->take(n, *q, answer);
  uint32_t servers = static_cast<uint32_t>(r->channels_.size());
  if (q->tried < servers) return r->send(n, q->type, (q->server + 1) % servers, q->tried + 1);
  if (is_answer) r->take(n, *q, answer);
}

void Resolver::take(Name *n, const Query &q, DnsAnswer &answer) {
  n->pending &= static_cast<uint8_t>(~bit_of(q.type));
  if (n->code == 0 || n->code == kNoSuchName) n->code = answer.code ? answer.code : n->code;
  bool is_led_on = answer.code == 0 && answer.addresses.empty() && answer.has_cname;
  n->next_name = is_led_on ? answer.cname : std::string();
  n->found.insert(n->found.end(), answer.addresses.begin(), answer.addresses.end());
  n->ttl = std::min(n->ttl, answer.ttl);
  if (!n->pending) conclude(n);
}

void Resolver::conclude(Name *n) {
  loop_->disarm(&n->again);
  n->is_asked = false;
  n->pending = 0;
  bool has_failed = n->code != 0 && n->code != kNoSuchName;
  if (has_failed) n->found.clear();
  std::stable_partition(n->found.begin(), n->found.end(),
                        [](const PeerAddress &a) { return a.sa.sa_family == AF_INET; });
  n->addresses.swap(n->found);
  n->found.clear();
  n->cname.clear();
  if (!has_failed && n->addresses.empty()) n->cname.swap(n->next_name);
  n->error = n->addresses.empty() && n->cname.empty() ? text_of(n->code) : nullptr;
  uint64_t valid = has_failed    ? 0
                   : n->error    ? kNotFoundValidMs
                   : conf_.valid ? conf_.valid
                                 : std::min(n->ttl, kMaxTtl) * 1000ull;
  n->valid_until = loop_->now_ms() + (has_failed ? 0 : std::max<uint64_t>(valid, 1));
  loop_->post(&n->task);
}

}  // namespace mw
