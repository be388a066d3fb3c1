// SPDX-License-Identifier: MIT
// The answers here are put together by hand, byte by byte: most of them are what no server sends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "net/dns_message.h"

namespace lk {
namespace {

using testing::ElementsAre;
using Kind = DnsAnswer::Kind;

std::string be16(unsigned value) {
    return {static_cast<char>(value >> 8), static_cast<char>(value)};
}

std::string wire(const char *name) {
    return DnsName::parse(name)->wire();
}

const std::string asked_name = "\xc0\x0c"; // a pointer to the question's

std::string record(const std::string &owner, unsigned type, const std::string &data, unsigned klass = 1) {
    return owner + be16(type) + be16(klass) + std::string(4, '\0') +
           be16(static_cast<unsigned>(data.size())) + data;
}
std::string a(const std::string &owner, unsigned last) {
    return record(owner, 1, std::string("\xc6\x33\x64", 3) + static_cast<char>(last));
}
std::string aaaa(const std::string &owner, const char *address) {
    const Address parsed = *Address::parse(address);
    const auto &bytes = parsed.bytes();
    return record(owner, 28, std::string(bytes.begin(), bytes.end()));
}
std::string cname(const std::string &owner, const std::string &target) {
    return record(owner, 5, target);
}

struct Message {
    unsigned id = 0x1234, flags = 0x8180;
    std::string question = wire("vpn.example.org") + be16(1) + be16(1);
    unsigned questions = 1;
    std::vector<std::string> answers, authorities, others;
    std::string trailer;

    std::string str() const {
        std::string text = be16(id) + be16(flags) + be16(questions);
        for (const auto *section : {&answers, &authorities, &others})
            text += be16(static_cast<unsigned>(section->size()));
        text += question;
        for (const auto *section : {&answers, &authorities, &others})
            for (const std::string &one : *section)
                text += one;
        return text + trailer;
    }
};

const DnsQuery query{0x1234, *DnsName::parse("vpn.example.org"), RecordType::a};

std::optional<DnsAnswer> read(const Message &message, const DnsQuery &asked = query) {
    return read_answer(asked, message.str());
}

std::vector<std::string> addresses(const std::optional<DnsAnswer> &answer) {
    std::vector<std::string> texts;
    if (answer)
        for (const Address &address : answer->addresses)
            texts.push_back(address.str());
    return texts;
}

TEST(DnsMessage, Query) {
    EXPECT_EQ(to_wire(query), std::string("\x12\x34\1\0\0\1\0\0\0\0\0\0\3vpn\7example\3org\0\0\1\0\1", 33));
    EXPECT_EQ(to_wire({1, *DnsName::parse("A"), RecordType::aaaa}),
              std::string("\0\1\1\0\0\1\0\0\0\0\0\0\1a\0\0\x1c\0\1", 19));
}

TEST(DnsMessage, Addresses) {
    Message message;
    message.answers = {a(asked_name, 7), a(wire("vpn.example.org"), 8), a(asked_name, 7)};
    message.authorities = {record(wire("example.org"), 2, wire("ns.example.org"))};
    message.others = {a(wire("ns.example.org"), 9)};
    const auto answer = read(message);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->kind, Kind::addresses);
    EXPECT_THAT(addresses(answer), ElementsAre("198.51.100.7", "198.51.100.8"));
}

TEST(DnsMessage, IPv6) {
    const DnsQuery six{0x1234, query.name, RecordType::aaaa};
    Message message;
    message.question = wire("vpn.example.org") + be16(28) + be16(1);
    message.answers = {a(asked_name, 7), aaaa(asked_name, "2001:db8::7"),
                       record(asked_name, 28, std::string(10, '\0') + "\xff\xff\x0a\1\2\3")};
    EXPECT_THAT(addresses(read(message, six)), ElementsAre("2001:db8::7"));
    EXPECT_FALSE(read(message)) << "the question of another type";
}

TEST(DnsMessage, CaseOfTheEchoDoesNotMatter) {
    Message message;
    message.question = "\3vPn\7EXAMPLE\3oRg" + std::string(1, '\0') + be16(1) + be16(1);
    message.answers = {a(asked_name, 7)};
    EXPECT_THAT(addresses(read(message)), ElementsAre("198.51.100.7"));
}

TEST(DnsMessage, AliasesInAnyOrder) {
    Message message;
    message.answers = {a(wire("c.example"), 7), cname(wire("b.example"), wire("C.example")),
                       a(wire("other.example"), 66), cname(asked_name, wire("b.example"))};
    EXPECT_THAT(addresses(read(message)), ElementsAre("198.51.100.7"));
    message.answers.back() = cname(asked_name, wire("nowhere.example"));
    EXPECT_EQ(read(message)->kind, Kind::no_address);
    message.answers = {cname(asked_name, wire("b.example")), cname(wire("b.example"), asked_name)};
    EXPECT_FALSE(read(message)) << "aliases that go round";
    message.answers = {cname(asked_name, asked_name), a(asked_name, 7)};
    EXPECT_FALSE(read(message)) << "an alias of itself";
}

TEST(DnsMessage, NoAddress) {
    Message message;
    EXPECT_EQ(read(message)->kind, Kind::no_address);
    message.answers = {a(wire("other.example.org"), 7), record(asked_name, 1, "abcd", 3)};
    EXPECT_EQ(read(message)->kind, Kind::no_address) << "another's address, another class";
    message.flags = 0x8183;
    EXPECT_EQ(read(message)->kind, Kind::no_such_name);
    message.flags = 0x8182;
    EXPECT_EQ(read(message)->kind, Kind::failed);
    EXPECT_EQ(response_code(read(message)->code), "SERVFAIL");
    EXPECT_EQ(response_code(11), "RCODE 11");
}

TEST(DnsMessage, TruncatedAnywhere) {
    Message message;
    message.flags = 0x8380;
    message.answers = {a(asked_name, 7)};
    const std::string whole = message.str();
    const std::size_t question_end = 12 + message.question.size();
    for (std::size_t size = 0; size <= whole.size(); ++size) {
        const auto answer = read_answer(query, std::string_view(whole).substr(0, size));
        ASSERT_EQ(answer.has_value(), size >= question_end) << size;
        EXPECT_EQ(answer ? answer->kind : Kind::truncated, Kind::truncated);
    }
}

TEST(DnsMessage, NotTheAnswer) {
    Message good;
    good.answers = {a(asked_name, 7)};
    ASSERT_TRUE(read(good));
    const struct {
        const char *what;
        std::function<void(Message &)> change;
    } rows[] = {
        {"another id", [](Message &m) { m.id = 0x1235; }},
        {"a query", [](Message &m) { m.flags = 0x0100; }},
        {"another opcode", [](Message &m) { m.flags = 0x8980; }},
        {"no question counted", [](Message &m) { m.questions = 0; }},
        {"two questions counted", [](Message &m) { m.questions = 2; }},
        {"another name", [](Message &m) { m.question = wire("vpm.example.org") + be16(1) + be16(1); }},
        {"a name below", [](Message &m) { m.question = wire("a.vpn.example.org") + be16(1) + be16(1); }},
        {"a name above", [](Message &m) { m.question = wire("example.org") + be16(1) + be16(1); }},
        {"another class", [](Message &m) { m.question = wire("vpn.example.org") + be16(1) + be16(3); }},
        {"a compressed question", [](Message &m) { m.question = "\xc0\x0c" + be16(1) + be16(1); }},
        {"bytes behind", [](Message &m) { m.trailer = "x"; }},
        {"a record less than counted", [](Message &m) { m.answers[0].clear(); }},
        {"an address of 3 bytes", [](Message &m) { m.answers = {record(asked_name, 1, "abc")}; }},
        {"an address of 5 bytes", [](Message &m) { m.answers = {record(asked_name, 1, "abcde")}; }},
        {"an IPv6 address of 4", [](Message &m) { m.answers = {record(asked_name, 28, "abcd")}; }},
        {"an alias with a tail", [](Message &m) { m.answers = {cname(asked_name, wire("b.c") + "x")}; }},
        {"an empty alias", [](Message &m) { m.answers = {cname(asked_name, "")}; }},
        {"a label beyond the end",
         [](Message &m) {
             m.answers = {cname(asked_name, "\x3f"
                                            "abc")};
         }},
        {"a reserved label", [](Message &m) { m.answers = {a("\x80" + std::string(1, '\0'), 7)}; }},
        {"a pointer to itself", [](Message &m) { m.answers = {a("\xc0\x21", 7)}; }},
        {"a pointer forward", [](Message &m) { m.answers = {a("\xc0\x30", 7)}; }},
        {"a pointer beyond the end", [](Message &m) { m.answers = {a("\xff\xff", 7)}; }},
        {"an alias to itself by pointer",
         [](Message &m) { m.answers = {cname(asked_name, "\xc0" + std::string(1, 33 + 2 + 10))}; }},
    };
    for (const auto &row : rows) {
        Message message = good;
        row.change(message);
        EXPECT_FALSE(read(message)) << row.what;
    }
}

// Whatever is cut off or changed: an answer or none, and nothing is read past the end (the sanitizers watch).
TEST(DnsMessage, EveryCutAndEveryByte) {
    Message message;
    message.answers = {cname(asked_name, wire("b.example")), a(wire("b.example"), 7)};
    const std::string whole = message.str();
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const std::vector<char> exact(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        EXPECT_FALSE(read_answer(query, {exact.data(), exact.size()})) << size;
    }
    for (std::size_t at = 0; at < whole.size(); ++at)
        for (int value = 0; value < 256; ++value) {
            std::vector<char> changed(whole.begin(), whole.end());
            changed[at] = static_cast<char>(value);
            const auto answer = read_answer(query, {changed.data(), changed.size()});
            const bool found = answer && answer->kind == Kind::addresses;
            EXPECT_EQ(found ? answer->addresses.size() : 1, 1u);
        }
}

} // namespace
} // namespace lk
