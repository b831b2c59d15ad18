// SPDX-License-Identifier: MIT
// The sockets of c-ares: its own but for one thing. It takes an empty datagram for the end of the connection, and lets go of all
// queries of the name server (CVE-2023-32067); here such a datagram is thrown away.
#pragma once

struct ares_socket_functions;

namespace mw {

/// For ares_set_socket_functions(), without data.
extern const ares_socket_functions resolver_sockets;

}  // namespace mw
