# SPDX-License-Identifier: MIT
# HEADER as it may be some versions later, as OUT: every struct has grown by a field and every enum by a value. The
# macros at its end name them all, so that a program which has nothing to say of one does not compile.
file(READ ${HEADER} text)
string(REGEX REPLACE "/\\*([^*]|\\*+[^*/])*\\*+/" "" text "${text}")
string(REGEX MATCHALL "\n} eplb_[a-z_]+" structs "${text}")
string(REGEX MATCHALL "enum eplb_[a-z_]+ {" enums "${text}")
string(REGEX REPLACE "\n} (eplb_[a-z_]+);" "\n  uint64_t later;\n} \\1;" text "${text}")
string(REGEX REPLACE "(enum (eplb_[a-z_]+) {[^}]*[^} \n])[ \n]*}" "\\1, later_\\2}" text "${text}")
string(REGEX REPLACE ";?\n} (eplb_[a-z_]+)" " DO(\\1)" structs "${structs}")
string(REGEX REPLACE ";?enum (eplb_[a-z_]+) {" " DO(\\1)" enums "${enums}")
file(WRITE ${OUT} "${text}\n#define EVERY_STRUCT(DO)${structs}\n#define EVERY_ENUM(DO)${enums}\n")
