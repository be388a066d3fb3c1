// SPDX-License-Identifier: MIT
#include "net/topology.h"

#include <linux/if_arp.h>

#include <algorithm>

namespace lk {

bool Device::l3() const {
    switch (arphrd) {
    case ARPHRD_NONE: // tun, wireguard, xfrm, raw-IP modems
    case ARPHRD_RAWIP:
    case ARPHRD_PPP: // the two bytes of PPP are put on behind the hook, in the driver
    case ARPHRD_SLIP:
    case ARPHRD_CSLIP:
    case ARPHRD_SLIP6:
    case ARPHRD_CSLIP6:
    case ARPHRD_TUNNEL:
    case ARPHRD_TUNNEL6:
    case ARPHRD_SIT:
    case ARPHRD_IPGRE:
    case ARPHRD_IP6GRE:
    case ARPHRD_PIMREG: return true;
    default: return false;
    }
}

bool Device::ethernet() const {
    return arphrd == ARPHRD_ETHER || arphrd == ARPHRD_LOOPBACK;
}

Prefix DeviceAddress::on_link() const {
    return Prefix::of(peer.value_or(address), prefix_length);
}

const Device *Topology::find(int ifindex) const {
    const auto at = std::ranges::lower_bound(devices, ifindex, {}, &Device::ifindex);
    return at != devices.end() && at->ifindex == ifindex ? &*at : nullptr;
}

const Device *Topology::find(const std::string &name) const {
    const auto at = std::ranges::find(devices, name, &Device::name);
    return at != devices.end() ? &*at : nullptr;
}

} // namespace lk
