// SPDX-License-Identifier: MIT
// Headers of the PROXY protocol: no byte outside the input is read, a header that is taken lies inside it, a prefix of one is
// never refused, and TLVs lie within what came.
#include "net/proxy_protocol.h"

#include <stdlib.h>

using namespace mw;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  Str in(reinterpret_cast<const char *>(bytes), size);
  ProxyHeader header, part;
  ProxyHeaderResult whole = proxy_header_parse(in, header);
  if (whole.kind != ProxyHeaderResult::done) return 0;
  if (whole.size == 0 || whole.size > size || whole.size > kMaxProxyHeader) abort();
  if (whole.is_known == header.source.empty()) abort();
  if (proxy_header_parse(in.substr(0, whole.size / 2), part).kind != ProxyHeaderResult::incomplete) abort();
  Str tlvs = header.tlvs, value;
  for (int type = 0; type < 256; ++type) {
    bool is_broken = false;
    if (!proxy_tlv_find(tlvs, static_cast<uint8_t>(type), value, is_broken)) continue;
    if (is_broken || value.data() < tlvs.data() || value.data() + value.size() > tlvs.data() + tlvs.size()) abort();
  }
  return 0;
}
