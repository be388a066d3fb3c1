// SPDX-License-Identifier: MIT
#include "kernel/rtnl.h"

#include <fmt/format.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

namespace lk {

const std::uint32_t clsact_egress = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS);
const std::uint32_t clsact_ingress = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);

namespace {

struct FreeMessage {
    void operator()(nl_msg *message) const { nlmsg_free(message); }
};
using Message = std::unique_ptr<nl_msg, FreeMessage>;

Message tc_message(int type, int flags, const tcmsg &body) {
    Message message{nlmsg_alloc_simple(type, flags)};
    if (message) nlmsg_append(message.get(), const_cast<tcmsg *>(&body), sizeof(body), NLMSG_ALIGNTO);
    return message;
}

tcmsg tc_body(int ifindex, std::uint32_t handle, std::uint32_t parent) {
    tcmsg body{};
    body.tcm_family = AF_UNSPEC;
    body.tcm_ifindex = ifindex;
    body.tcm_handle = handle;
    body.tcm_parent = parent;
    return body;
}

void read_options(TcObject &object, nlattr *options) {
    const auto *data = static_cast<const std::uint8_t *>(nla_data(options));
    object.options.assign(data, data + nla_len(options));
    if (object.kind != "bpf") return;
    nlattr *attributes[TCA_BPF_MAX + 1];
    if (nla_parse_nested(attributes, TCA_BPF_MAX, options, nullptr) < 0) return;
    if (attributes[TCA_BPF_NAME]) object.bpf_name = nla_get_string(attributes[TCA_BPF_NAME]);
    if (attributes[TCA_BPF_ID]) object.bpf_id = nla_get_u32(attributes[TCA_BPF_ID]);
}

int take_object(nl_msg *message, void *into) {
    nlmsghdr *header = nlmsg_hdr(message);
    nlattr *attributes[TCA_MAX + 1];
    if (nlmsg_parse(header, sizeof(tcmsg), attributes, TCA_MAX, nullptr) < 0) return NL_SKIP;
    const auto *body = static_cast<const tcmsg *>(nlmsg_data(header));
    TcObject object;
    object.ifindex = body->tcm_ifindex;
    object.handle = body->tcm_handle;
    object.parent = body->tcm_parent;
    object.info = body->tcm_info;
    if (attributes[TCA_KIND]) object.kind = nla_get_string(attributes[TCA_KIND]);
    if (attributes[TCA_OPTIONS]) read_options(object, attributes[TCA_OPTIONS]);
    static_cast<std::vector<TcObject> *>(into)->push_back(std::move(object));
    return NL_OK;
}

int take_link(nl_msg *message, void *into) {
    const auto *body = static_cast<const ifinfomsg *>(nlmsg_data(nlmsg_hdr(message)));
    static_cast<std::vector<int> *>(into)->push_back(body->ifi_index);
    return NL_OK;
}

int run_dump(nl_sock *socket, nl_msg *request, int (*take)(nl_msg *, void *), void *into) {
    if (nl_send_auto(socket, request) < 0) return -NLE_FAILURE;
    nl_cb *callbacks = nl_cb_alloc(NL_CB_DEFAULT);
    if (callbacks == nullptr) return -NLE_NOMEM;
    nl_cb_set(callbacks, NL_CB_VALID, NL_CB_CUSTOM, take, into);
    const int result = nl_recvmsgs(socket, callbacks);
    nl_cb_put(callbacks);
    return result;
}

} // namespace

void Rtnl::Close::operator()(nl_sock *socket) const {
    nl_socket_free(socket);
}

Result<Rtnl> Rtnl::open() {
    Rtnl rtnl{nl_socket_alloc()};
    if (!rtnl.socket_) return failure("cannot allocate a netlink socket: out of memory");
    const int result = nl_connect(rtnl.socket_.get(), NETLINK_ROUTE);
    if (result < 0) return failure(fmt::format("cannot open rtnetlink: {}", rtnl_text(result)));
    nl_socket_set_msg_buf_size(rtnl.socket_.get(), 256 * 1024); // a dumped qdisc with tables is long
    return rtnl;
}

Result<std::vector<TcObject>> Rtnl::dump(int type, int ifindex, std::uint32_t parent) const {
    std::vector<TcObject> objects;
    int result = -NLE_DUMP_INTR;
    for (int turn = 0; turn < 8 && result == -NLE_DUMP_INTR; ++turn) { // something changed while it was read
        objects.clear();
        auto request = tc_message(type, NLM_F_DUMP, tc_body(ifindex, 0, parent));
        result = request ? run_dump(socket_.get(), request.get(), take_object, &objects) : -NLE_NOMEM;
    }
    // A device that is gone has nothing of the kind.
    if (result < 0 && result != -NLE_NODEV && result != -NLE_OBJ_NOTFOUND)
        return failure(
            fmt::format("cannot read the traffic control of device {}: {}", ifindex, rtnl_text(result)));
    std::erase_if(objects, [&](const TcObject &object) { return object.ifindex != ifindex; });
    return objects;
}

Result<std::vector<TcObject>> Rtnl::qdiscs(int ifindex) const {
    return dump(RTM_GETQDISC, ifindex, 0);
}
Result<std::vector<TcObject>> Rtnl::classes(int ifindex) const {
    return dump(RTM_GETTCLASS, ifindex, 0);
}

Result<std::vector<TcObject>> Rtnl::filters(int ifindex, std::uint32_t parent) const {
    auto objects = dump(RTM_GETTFILTER, ifindex, parent);
    // Every priority is announced by an object without handle, which is no filter itself.
    if (objects)
        std::erase_if(*objects,
                      [&](const TcObject &object) { return object.parent != parent || object.handle == 0; });
    return objects;
}

Result<std::vector<int>> Rtnl::links() const {
    Message request{nlmsg_alloc_simple(RTM_GETLINK, NLM_F_DUMP)};
    ifinfomsg body{};
    if (request) nlmsg_append(request.get(), &body, sizeof(body), NLMSG_ALIGNTO);
    std::vector<int> links;
    const int result = request ? run_dump(socket_.get(), request.get(), take_link, &links) : -NLE_NOMEM;
    if (result < 0) return failure(fmt::format("cannot read the network devices: {}", rtnl_text(result)));
    return links;
}

int Rtnl::replace_qdisc(int ifindex, std::uint32_t handle, const std::string &kind,
                        const std::vector<std::uint8_t> &options) const {
    auto message =
        tc_message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, tc_body(ifindex, handle, TC_H_ROOT));
    if (!message || nla_put_string(message.get(), TCA_KIND, kind.c_str()) < 0 ||
        (!options.empty() &&
         nla_put(message.get(), TCA_OPTIONS, static_cast<int>(options.size()), options.data()) < 0))
        return -NLE_NOMEM;
    return nl_send_sync(socket_.get(), message.release());
}

int Rtnl::delete_root_qdisc(int ifindex) const {
    auto message = tc_message(RTM_DELQDISC, 0, tc_body(ifindex, 0, TC_H_ROOT));
    if (!message) return -NLE_NOMEM;
    return nl_send_sync(socket_.get(), message.release());
}

std::string rtnl_text(int nle) {
    return nl_geterror(nle);
}

} // namespace lk
