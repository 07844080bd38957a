# postrider: one plain Makefile, objects and programs under $(B).
#   make            everything into build/bin          make run     quick start on 127.0.0.1:2525
#   make test       build and run the tests            make SAN=1 … with address and undefined sanitizers
# Variables: CC, CFLAGS, SAN=1, B (build directory), prefix, DESTDIR.

CC	?= gcc
ifeq ($(origin CC),default)
CC	= gcc
endif
AR	?= ar
prefix	?= /usr/local
sysconfdir ?= /etc
mandir	?= $(prefix)/share/man
bindir	?= $(prefix)/bin
sbindir	?= $(prefix)/sbin
libdir	?= $(prefix)/lib
DESTDIR	?=
ifneq ($(SAN),)
B	?= build-san
else
B	?= build
endif

# Modules in dependency order: each may include only doors of those before it (t/layers.t).
MODULES	= base config loop stream dns table tls sasl address mime store service rewrite access milter \
	  cleanup bounce qmgr smtp deliver smtpd control parent
# Programs made of src/cmd/NAME.c, src/cmd/cmd.c and what they need from the modules.
COMMANDS = sendmail postqueue postsuper postcat postconf postmap postlog
# Other names of programs.
LINKS	= postfix:postrider mailq:sendmail newaliases:sendmail postalias:postmap

PKGS	= libevent_core libevent_pthreads lmdb openssl libsasl2 ldns sqlite3 libpcre2-8 libidn2
PKG_CFLAGS := $(shell pkg-config --cflags libevent_core openssl libsasl2 ldns sqlite3 libpcre2-8 libidn2 2>/dev/null)
RELAY_LIBS := -levent_core -llmdb -lldns -lssl -lcrypto -lsasl2 -lsqlite3 -lpcre2-8 -lidn2 -lpthread

CFLAGS	?= -O2 -g
CSTD	= -std=c11 -D_GNU_SOURCE
WARN	= -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wpointer-arith -Wwrite-strings \
	  -Wshadow -Wformat=2 -Wvla
HARD	= -fPIE -fstack-protector-strong -fno-strict-aliasing -fno-common
LDHARD	= -pie -Wl,-z,relro,-z,now -Wl,--as-needed -Wl,--dynamic-list=src/table/plugin/plugin.list
ifneq ($(SAN),)
SANF	= -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
else
HARD	+= -D_FORTIFY_SOURCE=2
endif
ALLCFLAGS = $(CSTD) $(WARN) $(HARD) $(SANF) $(PKG_CFLAGS) $(CFLAGS)
ALLLDFLAGS = $(LDHARD) $(SANF) $(LDFLAGS)

mod_src	= $(sort $(wildcard src/$(1)/*.c))
objs	= $(patsubst %.c,$(B)/obj/%.o,$(1))
LIBS	= $(foreach m,$(MODULES),$(if $(call mod_src,$(m)),$(B)/lib/$(m).a))
# lib files of module $(1) and of all before it, highest first: the order the linker wants
upto	= $(call rev,$(call cut,$(1),$(MODULES)))
cut	= $(if $(filter $(1),$(firstword $(2))),$(1),$(firstword $(2)) $(call cut,$(1),$(wordlist 2,99,$(2))))
rev	= $(if $(1),$(call rev,$(wordlist 2,99,$(1))) $(firstword $(1)))
modlibs	= $(foreach m,$(call upto,$(1)),$(if $(call mod_src,$(m)),$(B)/lib/$(m).a))

PROGS	= $(B)/bin/postrider $(patsubst %,$(B)/bin/%,$(foreach c,$(COMMANDS),$(if $(wildcard src/cmd/$(c).c),$(c)))) \
	  $(foreach l,$(LINKS),$(if $(wildcard src/cmd/$(lastword $(subst :, ,$(l)))*),$(B)/bin/$(firstword $(subst :, ,$(l)))))
UNIT	= $(patsubst t/unit/%.c,$(B)/t/unit/%,$(wildcard t/unit/*.c))

# Table types in plug-ins: table_NAME.so of the files in src/table/plugin, where pkg-config finds the library.
PLUGINS_ALL = ldap:ldap mysql:libmariadb pgsql:libpq redis:hiredis
PLUGINS	:= $(foreach p,$(PLUGINS_ALL),$(if $(shell pkg-config --exists $(lastword $(subst :, ,$(p))) 2>/dev/null && echo y),$(p)))
PLUGIN_FILES = $(foreach p,$(PLUGINS),$(B)/bin/table_$(firstword $(subst :, ,$(p))).so)

all: $(PROGS) $(PLUGIN_FILES)

# One short line for each step; make V=1 shows the commands.
Q	= $(if $(V),,@)
say	= $(if $(V),,@printf '  %-5s %s\n' '$(1)' '$(2)')

# ---- compile -------------------------------------------------------------------------------
$(B)/flags: FORCE
	@mkdir -p $(B)
	@echo '$(CC) $(ALLCFLAGS) $(ALLLDFLAGS)' | cmp -s - $@ || echo '$(CC) $(ALLCFLAGS) $(ALLLDFLAGS)' > $@
$(B)/libdir: FORCE
	@mkdir -p $(B)
	@echo '$(libdir)' | cmp -s - $@ || echo '$(libdir)' > $@
FORCE:

$(B)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALLCFLAGS) -Iinclude -I$(B)/gen -MMD -MP -c -o $@ $<

define lib_rule
$(B)/lib/$(1).a: $(call objs,$(call mod_src,$(1)))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(Q)$$(AR) rcs $$@ $$^
lib-$(1): $(B)/lib/$(1).a
endef
$(foreach m,$(MODULES),$(eval $(call lib_rule,$(m))))

$(B)/bin/postrider: $(call objs,src/main.c src/reload.c src/settle.c $(call mod_src,cmd/postrider) src/cmd/cmd.c) $(LIBS)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALLLDFLAGS) -o $@ $(filter %.o,$^) $(call modlibs,parent) $(RELAY_LIBS)

$(foreach c,$(COMMANDS),$(eval $(B)/bin/$(c): $(call objs,src/cmd/$(c).c $(wildcard src/cmd/$(c)_*.c) src/cmd/cmd.c) $(LIBS) ; @mkdir -p $(B)/bin && $$(CC) $$(ALLLDFLAGS) -o $$@ $$(filter %.o,$$^) $$(call modlibs,parent) $$(RELAY_LIBS)))
$(foreach l,$(LINKS),$(eval $(B)/bin/$(firstword $(subst :, ,$(l))): $(B)/bin/$(lastword $(subst :, ,$(l))) ; @ln -sf $$(notdir $$<) $$@))

# A plug-in uses the program's own functions, those in plugin.list.
$(B)/obj/src/table/plugin.o: $(B)/libdir
$(B)/obj/src/table/plugin.o: ALLCFLAGS += -DPLUGIN_DIR='"$(libdir)/postrider"'
define plugin_rule
$(B)/obj/src/table/plugin/%$(1).pic.o $(B)/obj/src/table/plugin/$(1)%.pic.o: PLUGIN_CFLAGS = $(2)
$(B)/bin/table_$(1).so: $(patsubst %.c,$(B)/obj/%.pic.o,src/table/plugin/table_$(1).c $(wildcard src/table/plugin/$(1)_*.c))
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) -shared $$(filter-out -pie,$$(ALLLDFLAGS)) -o $$@ $$^ $(3)
endef
$(foreach p,$(PLUGINS),$(eval $(call plugin_rule,$(firstword $(subst :, ,$(p))),$(subst -I,-isystem ,$(shell pkg-config --cflags $(lastword $(subst :, ,$(p))))),$(shell pkg-config --libs $(lastword $(subst :, ,$(p))))$(if $(filter ldap:%,$(p)), -llber -lsasl2))))
$(B)/obj/src/table/plugin/%.pic.o: src/table/plugin/%.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALLCFLAGS) -fPIC $(PLUGIN_CFLAGS) -Iinclude -MMD -MP -MF $(@:.o=.d) -c -o $@ $<

# ---- tests ---------------------------------------------------------------------------------
# t/unit/MODULE_what.c is linked with MODULE and the modules before it: what does not link breaks the layers.
$(B)/t/unit/%: t/unit/%.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,TEST,$<)
	$(Q)$(CC) $(ALLCFLAGS) -Iinclude -Isrc -It/lib -MMD -MP -MF $@.d $(ALLLDFLAGS) -o $@ $< $(call modlibs,$(firstword $(subst _, ,$*))) $(RELAY_LIBS)
define unit_rule
$(1): $(call modlibs,$(firstword $(subst _, ,$(notdir $(1)))))
endef
$(foreach u,$(UNIT),$(eval $(call unit_rule,$(u))))

unit: $(UNIT)

# t/crash: shims for LD_PRELOAD, and programs NAME.c with NAME_*.c, linked with the store.
CRASH	= record.so fault.so resolver.so nfs.so store_load powercut smtp_load smtp_sink
$(B)/t/crash/%.so: t/crash/%.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,TEST,$<)
	$(Q)$(CC) $(CSTD) $(WARN) $(CFLAGS) -fPIC -shared -MMD -MP -MF $@.d -o $@ $< -ldl
$(B)/obj/t/crash/%.o: ALLCFLAGS += -Isrc
define crash_rule
$(B)/t/crash/$(1): $(call objs,t/crash/$(1).c $(wildcard t/crash/$(1)_*.c)) $(call modlibs,store)
	@mkdir -p $$(@D)
	$$(call say,TEST,$$@)
	$$(Q)$$(CC) $$(ALLLDFLAGS) -o $$@ $$^ $$(RELAY_LIBS)
endef
$(foreach c,$(filter-out %.so,$(CRASH)),$(eval $(call crash_rule,$(c))))
crash: $(B)/t/bench/fill $(B)/t/bench/load $(addprefix $(B)/t/crash/,$(CRASH))

# t/fuzz: each target with a main() that feeds it files, for t/fuzz.t.
REPLAY	= $(patsubst t/fuzz/%.c,$(B)/t/fuzz-replay/%,$(wildcard t/fuzz/*.c))
$(B)/t/fuzz-replay/%: t/fuzz/%.c t/fuzz/lib/replay.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,TEST,$<)
	$(Q)$(CC) $(ALLCFLAGS) -Iinclude -Isrc -It/lib $(ALLLDFLAGS) -o $@ $< t/fuzz/lib/replay.c $(call modlibs,$(firstword $(subst _, ,$*))) $(RELAY_LIBS)
$(foreach u,$(REPLAY),$(eval $(call unit_rule,$(u))))
replay: $(REPLAY)

# Black-box tests in Perl and unit tests in C, all TAP, side by side.
PROVE	= prove -j2 -It/lib --timer
test: deps-test
	$(MAKE) B=$(B) all unit crash replay fuzz-check
	POSTRIDER_BUILD="$(abspath $(B))" POSTRIDER_SAN=$(SAN) $(PROVE) $(if $(V),-v) $(or $(T),$(wildcard t/*.t) $(UNIT))

test-long: deps-test
	$(MAKE) B=$(B) all unit crash replay fuzz-check
	POSTRIDER_BUILD="$(abspath $(B))" POSTRIDER_LONG=1 $(PROVE) $(or $(T),$(wildcard t/*.t) $(UNIT) $(wildcard t/crash/*.t))

# Each door compiles alone.
hdr-check:
	@for h in include/postrider/*.h; do echo "#include <postrider/$${h##*/}>" | $(CC) $(CSTD) $(WARN) $(PKG_CFLAGS) -Iinclude -fsyntax-only -x c - || exit 1; done

# That the targets compile with clang, too, where there is one: make fuzz takes it.
FUZZ_CC	:= $(or $(shell command -v clang 2>/dev/null),$(CC))
$(B)/t/fuzz/%.checked: t/fuzz/%.c $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(CSTD) $(WARN) $(PKG_CFLAGS) -Iinclude -Isrc -It/lib -MMD -MP -MF $@.d -MT $@ -fsyntax-only $<
	@touch $@
fuzz-check: $(patsubst t/fuzz/%.c,$(B)/t/fuzz/%.checked,$(wildcard t/fuzz/*.c))

# ---- fuzzing: make fuzz [FUZZ=config_main] [FUZZ_SECONDS=60] ----------------------------------------
FUZZ_SECONDS ?= 60
FUZZ	?= $(patsubst t/fuzz/%.c,%,$(wildcard t/fuzz/*.c))
fuzz: deps-test
	@for f in $(FUZZ); do $(MAKE) B=build-fuzz CC=clang CFLAGS='-O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined' \
	    build-fuzz/t/fuzz/$$f && mkdir -p build-fuzz/corpus/$$f && echo "fuzz $$f for $(FUZZ_SECONDS) s" && \
	    build-fuzz/t/fuzz/$$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -artifact_prefix=build-fuzz/$$f- -verbosity=0 -print_final_stats=1 \
	    build-fuzz/corpus/$$f t/fuzz/corpus/$$f || exit 1; done
$(B)/t/fuzz/%: t/fuzz/%.c $(B)/flags $(LIBS)
	@mkdir -p $(@D)
	$(CC) $(ALLCFLAGS) -Iinclude -Isrc -It/lib $(ALLLDFLAGS) -fsanitize=fuzzer,address,undefined -o $@ $< $(call modlibs,$(firstword $(subst _, ,$*))) $(RELAY_LIBS)

$(B)/t/bench/load: t/bench/load.c
	@mkdir -p $(@D)
	$(CC) -O2 -g -Wall -Wextra -D_GNU_SOURCE -o $@ $<
$(B)/t/bench/table_bench: t/bench/table_bench.c $(call modlibs,table)
	@mkdir -p $(@D)
	$(CC) $(ALLCFLAGS) -Iinclude $(ALLLDFLAGS) -o $@ $< $(call modlibs,table) $(RELAY_LIBS)
$(B)/t/bench/fill: t/bench/fill.c $(call modlibs,store)
	@mkdir -p $(@D)
	$(CC) $(ALLCFLAGS) -Iinclude $(ALLLDFLAGS) -o $@ $< $(call modlibs,store) $(RELAY_LIBS)
bench: deps-test all $(B)/t/bench/load $(B)/t/bench/fill $(B)/t/bench/table_bench
	POSTRIDER_BUILD="$(abspath $(B))" t/bench/run
	POSTRIDER_BUILD="$(abspath $(B))" t/bench/figures
	POSTRIDER_BUILD="$(abspath $(B))" t/bench/tables

# ---- for users -----------------------------------------------------------------------------------------
deps:
	@sh .ci/deps build
deps-test:
	@sh .ci/deps test

run: deps
	$(MAKE) all
	@sh etc/quickstart/run "$(abspath $(B))"

install: all
	install -d "$(DESTDIR)$(sbindir)" "$(DESTDIR)$(mandir)/man1" "$(DESTDIR)$(mandir)/man5" "$(DESTDIR)$(mandir)/man8" \
	    "$(DESTDIR)$(sysconfdir)/postrider"
	install -m 755 $(filter-out $(foreach l,$(LINKS),%/$(firstword $(subst :, ,$(l)))),$(PROGS)) "$(DESTDIR)$(sbindir)"
	[ -z "$(PLUGIN_FILES)" ] || { install -d "$(DESTDIR)$(libdir)/postrider" && install -m 644 $(PLUGIN_FILES) "$(DESTDIR)$(libdir)/postrider"; }
	for l in $(LINKS); do ln -sf $${l#*:} "$(DESTDIR)$(sbindir)/$${l%:*}" || exit 1; done
	for n in 1 5 8; do for f in man/*.$$n; do [ ! -e $$f ] || install -m 644 $$f "$(DESTDIR)$(mandir)/man$$n" || exit 1; done; done
	[ -e "$(DESTDIR)$(sysconfdir)/postrider/master.cf" ] || install -m 644 etc/master.cf "$(DESTDIR)$(sysconfdir)/postrider"

uninstall:
	for p in $(notdir $(PROGS)); do rm -f "$(DESTDIR)$(sbindir)/$$p"; done
	for p in $(foreach p,$(PLUGINS_ALL),$(firstword $(subst :, ,$(p)))); do rm -f "$(DESTDIR)$(libdir)/postrider/table_$$p.so"; done
	[ ! -d "$(DESTDIR)$(libdir)/postrider" ] || rmdir --ignore-fail-on-non-empty "$(DESTDIR)$(libdir)/postrider"
	for n in 1 5 8; do for f in man/*.$$n; do rm -f "$(DESTDIR)$(mandir)/man$$n/$${f##*/}"; done; done

clean:
	rm -rf build build-san build-fuzz

-include $(shell test -d $(B) && find $(B) -type f -name '*.d')
.PHONY: all unit crash replay fuzz-check test test-long hdr-check fuzz bench deps deps-test run install uninstall clean FORCE $(addprefix lib-,$(MODULES))
.DELETE_ON_ERROR:
