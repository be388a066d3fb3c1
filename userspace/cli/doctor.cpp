// SPDX-License-Identifier: MIT
#include "control/doctor.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/output.h"
#include "render/doctor.h"

namespace lk {

Finish define_doctor(CLI::App &app) {
    const auto words = std::make_shared<std::vector<std::string>>();
    app.add_option("--require", *words, "Exit with 0 only if these hold; without it, all")
        ->type_name("GUARANTEE[,...]")
        ->allow_extra_args(false);
    return [words]() -> Result<Run> {
        auto wanted = parse_guarantees(words->empty() ? std::vector<std::string>{"all"} : *words);
        if (!wanted) return Error{wanted.error().exit, "--require: " + wanted.error().message};
        return Run([asked = *std::move(wanted)](const Globals &globals) -> Result<Exit> {
            const Result<Diagnosis> diagnosis = diagnose(globals.bpffs, globals.cgroup_root);
            if (!diagnosis) return diagnosis.error();
            print(globals.json ? doctor_json(*diagnosis, asked) : doctor_text(*diagnosis, asked));
            return require(diagnosis->report, asked) ? Exit::ok : Exit::unsupported;
        });
    };
}

} // namespace lk
