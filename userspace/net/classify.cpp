// SPDX-License-Identifier: MIT
#include <linux/if_arp.h>

#include <algorithm>
#include <optional>

#include "net/stacking.h"
#include "net/topology.h"

namespace lk {

namespace {

bool named(const std::vector<std::string> &names, const Device &device) {
    return std::ranges::find(names, device.name) != names.end();
}

// The classes of one topology. The kernel nests devices eight deep at most; a loop, which only a wrong
// topology can have, ends at the first device met twice.
class Classifier {
  public:
    Classifier(const Topology &topology, const ClassOverrides &overrides)
        : topology_(topology), overrides_(overrides), stacking_(topology),
          leads_out_(topology.devices.size()), known_(topology.devices.size()),
          being_asked_(topology.devices.size()) {
        for (std::size_t i = 0; i < topology.devices.size(); ++i) {
            const Device &device = topology.devices[i];
            if (device.default_route || named(overrides.uplinks, device)) mark_way_out(i);
        }
    }

    DeviceClass of(std::size_t i) {
        if (known_[i]) return *known_[i];
        if (being_asked_[i]) return DeviceClass::uplink; // a loop: nothing is known of it
        being_asked_[i] = true;
        const DeviceClass answer = decide(i);
        being_asked_[i] = false;
        known_[i] = answer;
        return answer;
    }

  private:
    // A default route over a VLAN on a veth leaves through the veth: that one is the way out. Through which
    // port of a bridge or vrf it leaves is not known, so these keep it for themselves.
    void mark_way_out(std::size_t i) {
        if (leads_out_[i]) return;
        leads_out_[i] = true;
        if (const auto below = stacking_.carrier(i); below != Stacking::none) mark_way_out(below);
        if (!all_ports_alike(topology_.devices[i])) return;
        for (const auto port : stacking_.ports(i))
            mark_way_out(port);
    }

    DeviceClass decide(std::size_t i) {
        const Device &device = topology_.devices[i];
        if (device.loopback) return DeviceClass::loopback;
        if (named(overrides_.uplinks, device)) return DeviceClass::uplink;
        if (named(overrides_.tunnels, device)) return DeviceClass::tunnel;
        const DeviceClass by_nature = named(overrides_.insides, device) ? DeviceClass::inside : nature(i);
        return by_nature == DeviceClass::inside && leads_out_[i] ? DeviceClass::uplink : by_nature;
    }

    DeviceClass nature(std::size_t i) {
        const Device &device = topology_.devices[i];
        if (const auto below = stacking_.carrier(i); below != Stacking::none) {
            const DeviceClass carrier = of(below);
            return carrier == DeviceClass::loopback ? DeviceClass::uplink : carrier;
        }
        if (gathers_ports(device)) return by_ports(i);
        if (device.access_point || device.kind == "veth") return DeviceClass::inside;
        if (device.kind == "wireguard" || device.kind == "xfrm" || device.kind.starts_with("ovpn"))
            return DeviceClass::tunnel; // ovpn: OpenVPN's data channel in the kernel, and its forerunners
        if (device.kind == "tun" && device.arphrd == ARPHRD_NONE) return DeviceClass::tunnel;
        if (device.kind == "tun" && device.arphrd == ARPHRD_ETHER) return DeviceClass::inside; // tap
        return DeviceClass::uplink;
    }

    DeviceClass by_ports(std::size_t i) {
        // A bridge without ports serves containers that are still to come; the others are made to lead out.
        DeviceClass answer =
            topology_.devices[i].kind == "bridge" ? DeviceClass::inside : DeviceClass::uplink;
        bool first = true;
        for (const auto port : stacking_.ports(i)) {
            const DeviceClass of_port = of(port);
            if (of_port == DeviceClass::uplink || of_port == DeviceClass::loopback)
                return DeviceClass::uplink;
            if (first || of_port == DeviceClass::tunnel) answer = of_port;
            first = false;
        }
        return answer;
    }

    const Topology &topology_;
    const ClassOverrides &overrides_;
    Stacking stacking_;
    std::vector<bool> leads_out_;
    std::vector<std::optional<DeviceClass>> known_;
    std::vector<bool> being_asked_;
};

// The devices that carry one uplink, from above to below.
class Descent {
  public:
    Descent(const Stacking &stacking, const std::vector<DeviceClass> &classes)
        : topology_(stacking.topology()), classes_(classes), stacking_(stacking),
          seen_(topology_.devices.size()) {}

    std::vector<int> from(int ifindex) {
        const auto top = stacking_.index_of(ifindex);
        if (top == Stacking::none) return {};
        descend(top);
        if (found_.empty()) found_.push_back(ifindex);
        std::ranges::sort(found_);
        return found_;
    }

  private:
    void descend(std::size_t i) {
        if (seen_[i]) return;
        seen_[i] = true;
        if (const auto below = stacking_.carrier(i); below != Stacking::none && may_carry(below)) {
            descend(below);
            return;
        }
        const Device &device = topology_.devices[i];
        bool carried = false;
        for (const auto port : stacking_.ports(i)) {
            const bool to_containers = !all_ports_alike(device) && classes_[port] == DeviceClass::inside;
            if (to_containers || !may_carry(port)) continue;
            descend(port);
            carried = true;
        }
        if (!carried) found_.push_back(device.ifindex);
    }

    bool may_carry(std::size_t i) const {
        return classes_[i] != DeviceClass::loopback && classes_[i] != DeviceClass::tunnel;
    }

    const Topology &topology_;
    const std::vector<DeviceClass> &classes_;
    const Stacking &stacking_;
    std::vector<bool> seen_;
    std::vector<int> found_;
};

} // namespace

std::vector<DeviceClass> classify(const Topology &topology, const ClassOverrides &overrides) {
    Classifier classifier(topology, overrides);
    std::vector<DeviceClass> classes;
    classes.reserve(topology.devices.size());
    for (std::size_t i = 0; i < topology.devices.size(); ++i)
        classes.push_back(classifier.of(i));
    return classes;
}

std::vector<int> lowest(const Topology &topology, const std::vector<DeviceClass> &classes, int ifindex) {
    return lowest(Stacking(topology), classes, ifindex);
}

std::vector<int> lowest(const Stacking &stacking, const std::vector<DeviceClass> &classes, int ifindex) {
    return Descent(stacking, classes).from(ifindex);
}

} // namespace lk
