# What a newcomer needs is `make demo` and `make test`; what CI runs is `make check test`.
SHELL := /bin/bash

PREFIX ?= /usr/local
DESTDIR ?=
SWIFT ?= swift
BUILD := .build/release
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include

VERSION := $(shell sed -n 's/.*version: StaticString = "\(.*\)"/\1/p' Sources/VidTwin/Version.swift)
# The interface's version names the library's file: libvidtwin.so.MAJOR.MINOR
API_MAJOR := $(shell sed -n 's/^.define VIDTWIN_API_MAJOR //p' Sources/CVidTwin/include/vidtwin.h)
API_MINOR := $(shell sed -n 's/^.define VIDTWIN_API_MINOR //p' Sources/CVidTwin/include/vidtwin.h)

# Debian packages, by what needs them:
#   libav*-dev libswscale-dev   reading, scaling and writing video
#   libdnnl-dev                 matrix products (oneDNN)
#   libdeflate-dev              checksums and deflated entries of checkpoints
#   zlib1g-dev                  tar streams that gzip packed
#   libyaml-dev                 configuration files
#   libssl-dev                  SHA-256 of checkpoints
#   ffmpeg                      the other end of the pipelines: demo, examples and tests
PACKAGES := ffmpeg libavcodec-dev libavfilter-dev libavformat-dev libavutil-dev libdeflate-dev \
	libdnnl-dev libssl-dev libswscale-dev libyaml-dev pkg-config zlib1g-dev

# What only the tests need: a browser that looks at the evaluation's page, a reader of latents, a
# checker of memory, C++ for the header, an MPI.
TEST_PACKAGES := chromium g++ libopenmpi-dev openmpi-bin python3-numpy python3-venv valgrind

# What the plug-ins need: an MPI; the header of frei0r; fetching, unpacking and assembling FFmpeg's source.
MPI_PACKAGES := libopenmpi-dev openmpi-bin
FREI0R_PACKAGES := frei0r-plugins-dev gcc libc6-dev
FILTER_PACKAGES := dpkg-dev gcc libc6-dev make nasm pkg-config valgrind xz-utils

.PHONY: help deps test-deps build demo test test-build cpu-levels check check-slow \
	sanitize fuzz fuzz-short failures soak debug-build lint format readme examples bench bench-train \
	library mpi install-mpi mpi-check mpi-check-slow abi frei0r frei0r-test install-frei0r filter-test filter-check install clean

help:
	@echo "make demo      build, reconstruct an example clip, show both side by side"
	@echo "make test      build and run all tests, and those that compute at each level of this CPU"
	@echo "make check     what CI runs besides: format, warnings, documentation, README, examples"
	@echo "make check-slow   the long forms of checks: all that follow (an hour)"
	@echo "make sanitize, fuzz, failures, soak   address and thread sanitizers; mutated inputs,"
	@echo "               FUZZ_SECONDS a parser; memory that fails, kills; 2,000 clips"
	@echo "make library   libvidtwin.so, vidtwin.h and vidtwin.pc, in .build-library/stage"
	@echo "make abi, filter-test, frei0r-test   tests of the library and the plug-ins"
	@echo "make mpi       plug-ins for training by many processes (Open MPI, MPICH); mpi-check tests them"
	@echo "make install   to PREFIX ($(PREFIX)), under DESTDIR if set; install-frei0r, install-mpi"
	@echo "make bench-train   a batch of training beside PyTorch (10 minutes)"
	@echo "make bench     vtfilter beside PyTorch, OpenVINO and ONNX Runtime (15 minutes, 8 GB)"
	@echo "make deps      install the Debian packages that are missing"
	@echo "make build, lint, format, clean"

deps:
	@command -v $(SWIFT) >/dev/null || { \
	  echo "Swift 6.1 or later is needed and not found; see https://www.swift.org/install" >&2; exit 1; }
	@$(call install_missing,$(PACKAGES))

test-deps: deps
	@$(call install_missing,$(TEST_PACKAGES))

# Installs what is missing of a list of Debian packages, or says who can.
define install_missing
missing=""; for p in $(1); do \
  dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; \
done; \
if [ -n "$$missing" ]; then \
  if [ "$$(id -u)" != 0 ]; then \
    echo "These packages are missing, and only root can install them:" >&2; \
    echo "  sudo apt-get install --no-install-recommends$$missing" >&2; exit 1; \
  fi; \
  echo "installing:$$missing"; \
  apt-get update -qq && \
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; \
fi
endef

build: deps
	$(SWIFT) build -c release --product vtfilter

demo: build
	PATH="$(CURDIR)/$(BUILD):$$PATH" bash examples/demo.sh

# The tests of the command line run the program itself, so it is built first. A warning in our own
# code is an error.
test: test-build
	$(SWIFT) test -c release --skip-build
	SWIFT="$(SWIFT)" bash .ci/cpu-levels

# What computes, once at each level of this CPU and with each precision that auto may mean: seconds.
cpu-levels: test-build
	SWIFT="$(SWIFT)" bash .ci/cpu-levels

# By its name: `--build-tests` also compiles every tool of the packages used, protobuf's compiler among them.
test-build: test-deps
	@set -o pipefail; $(SWIFT) build -c release --product vidtwinPackageTests 2>&1 | tee .build-log; \
	status=$$?; grep -E '^$(CURDIR)/.*warning:' .build-log && status=1; rm -f .build-log; exit $$status
	$(SWIFT) build -c release --product vtfilter

check: lint build readme examples train-check mpi-check abi frei0r-test filter-check fuzz-short
	bash Tests/Failures/allocations.sh $(BUILD)/vtfilter $(STAGE) 40
	bash Tests/Failures/limits.sh $(BUILD)/vtfilter 50
	bash Tests/Failures/shrink.sh $(BUILD)/vtfilter
	bash Tests/Failures/kills.sh $(BUILD)/vtfilter 4
	bash Tests/Failures/soak.sh $(BUILD)/vtfilter 200
	SWIFT="$(SWIFT)" bash .ci/sanitize short

# The long forms of what `make check` does in short.
check-slow: debug-build sanitize
	$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=300
	$(MAKE) --no-print-directory failures soak mpi-check-slow

# A build without optimisation, file by file, as debuggers want it: that it links.
debug-build: deps
	$(SWIFT) build --scratch-path .build-debug --product vidtwin
	$(SWIFT) build --scratch-path .build-debug --product vtfilter

# Every request for memory, and for a thread, fails once; everything that writes is killed 100 times.
failures: build library test-deps
	bash Tests/Failures/allocations.sh $(BUILD)/vtfilter $(STAGE)
	bash Tests/Failures/limits.sh $(BUILD)/vtfilter 3
	bash Tests/Failures/kills.sh $(BUILD)/vtfilter 100

# 2,000 clips through one process; 8 processes at once.
soak: build test-deps
	bash Tests/Failures/soak.sh $(BUILD)/vtfilter 2000

# Tests that are built with sanitizers, in scratch folders of their own.
sanitize: test-deps
	SWIFT="$(SWIFT)" bash .ci/sanitize long

# Mutated inputs for every parser of foreign bytes, so many seconds each.
FUZZ_SECONDS ?= 60
fuzz: test-build
	SWIFT="$(SWIFT)" bash .ci/fuzz $(FUZZ_SECONDS)

fuzz-short: test-build
	SWIFT="$(SWIFT)" bash .ci/fuzz 3

# Swift's sources; the programs in examples are packages of their own.
SWIFT_SOURCES := Package.swift Sources Tests examples/swift/Package.swift examples/swift/Sources
lint: deps
	$(SWIFT) format lint --strict --recursive --parallel $(SWIFT_SOURCES)
	bash .ci/lint-layers
	bash .ci/lint-commits

format:
	$(SWIFT) format --in-place --recursive --parallel $(SWIFT_SOURCES)

# Every command that the README shows, in a fresh folder.
readme: build
	PATH="$(CURDIR)/$(BUILD):$$PATH" bash examples/run-readme.sh README.md

# Every script in examples/, on the bundled clips.
examples: build library .build-python/ready
	PATH="$(CURDIR)/$(BUILD):$(CURDIR)/.build-python/bin:$$PATH" bash examples/run-all.sh
	PATH="$(CURDIR)/$(BUILD):$(CURDIR)/.build-python/bin:$$PATH" \
	  bash examples/run-embedding.sh $(STAGE) .build-example

# Training beside PyTorch and Lightning: they take our checkpoints and we theirs. Then what
# docs/TRAINING.md shows, in a short form.
train-check: build .build-train/ready
	PATH="$(CURDIR)/$(BUILD):$$PATH" .build-train/bin/python Tests/Training/pytorch.py \
	  "$(CURDIR)/$(BUILD)/vtfilter" "$(CURDIR)"
	.build-train/bin/python Tests/Training/events.py "$(CURDIR)/$(BUILD)/vtfilter" "$(CURDIR)"
	.build-train/bin/python Tests/Training/offline_run.py "$(CURDIR)/$(BUILD)/vtfilter" "$(CURDIR)"
	PATH="$(CURDIR)/$(BUILD):$$PATH" bash Tests/Training/learns.sh "$(CURDIR)"

.build-train/ready: Tests/Training/requirements.txt | test-deps
	python3 -m venv .build-train
	.build-train/bin/pip install --quiet -r Tests/Training/requirements.txt
	touch $@

# The C interface, as it is installed.
abi: library test-deps
	bash Tests/CABI/run.sh $(STAGE)

# Plug-ins for training by many processes, beside the library: one for each MPI that is there, whose
# interfaces are different to a linker. vtfilter loads one where mpirun or srun started it.
mpi:
	@command -v mpicc.openmpi >/dev/null || command -v mpicc.mpich >/dev/null || { \
	  $(call install_missing,$(MPI_PACKAGES)); }
	@install -d $(STAGE)/lib
	@for mpi in openmpi mpich; do \
	  command -v mpicc.$$mpi >/dev/null || { echo "no mpicc.$$mpi: no plug-in for it"; continue; }; \
	  mpicc.$$mpi -std=c11 -O3 -Wall -Wextra -Werror -Wno-stringop-overflow -fPIC -shared -fvisibility=hidden \
	    -ISources/CVidTwinTraining/include Sources/VidTwinMPI/vidtwin-mpi.c \
	    -o $(STAGE)/lib/.mpi.so && \
	  mv $(STAGE)/lib/.mpi.so $(STAGE)/lib/libvidtwin-mpi.$$mpi.so && echo "$(STAGE)/lib/libvidtwin-mpi.$$mpi.so" || exit 1; \
	done

# Two processes are one, by Open MPI; then 2 and 4, by MPICH too, and all golden configurations.
mpi-check: build test-deps mpi
	python3 Tests/Training/processes.py $(BUILD)/vtfilter "$(CURDIR)" --mpi openmpi

mpi-check-slow: build test-deps
	@$(call install_missing,$(MPI_PACKAGES) iproute2 libmpich-dev mpich)
	$(MAKE) --no-print-directory mpi
	python3 Tests/Training/processes.py $(BUILD)/vtfilter "$(CURDIR)" --long
	python3 Tests/Training/processes.py $(BUILD)/vtfilter "$(CURDIR)" --hosts

install-mpi: mpi
	install -d "$(DESTDIR)$(LIBDIR)"
	install -m 755 $(STAGE)/lib/libvidtwin-mpi.*.so "$(DESTDIR)$(LIBDIR)/"

# The plug-in for hosts of frei0r, beside the library that it loads.
frei0r: library
	@$(call install_missing,$(FREI0R_PACKAGES))
	install -d $(STAGE)/lib/frei0r-1
	$(CC) -std=gnu11 -O2 -Wall -Wextra -Werror -fPIC -shared filters/frei0r/vidtwin.c \
	  $$(PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig pkg-config --cflags --libs vidtwin) \
	  -Wl,-z,nodelete '-Wl,-rpath,$$ORIGIN/..' -o $(STAGE)/lib/frei0r-1/vidtwin.so

frei0r-test: frei0r build
	PATH="$(CURDIR)/$(BUILD):$$PATH" bash filters/frei0r/test.sh $(STAGE)/lib/frei0r-1
	FREI0R_PATH=$(STAGE)/lib/frei0r-1 bash examples/run-readme.sh filters/frei0r/README.md

install-frei0r: frei0r
	install -d "$(DESTDIR)$(LIBDIR)/frei0r-1"
	install -m 755 $(STAGE)/lib/frei0r-1/vidtwin.so "$(DESTDIR)$(LIBDIR)/frei0r-1/vidtwin.so"

# The filter, in an ffmpeg that is built for it from Debian's source; about two minutes the first time,
# in ~/.cache/vidtwin. Fails where the source cannot be had; filter-check, for CI, says so and goes on.
filter-test: library build
	@$(call install_missing,$(FILTER_PACKAGES))
	@ffmpeg=$$(PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig bash filters/build-ffmpeg.sh) || { \
	  status=$$?; [ $$status != 75 ] || \
	    echo "FFmpeg's source cannot be had: the filter was NOT TESTED" | tee .build-library/not-tested >&2; \
	  exit $$status; }; \
	LD_LIBRARY_PATH=$(STAGE)/lib PATH="$(CURDIR)/$(BUILD):$$PATH" bash filters/test.sh "$$ffmpeg" && \
	LD_LIBRARY_PATH=$(STAGE)/lib bash filters/graphs.sh "$$(dirname "$$ffmpeg")" $(STAGE) $(FILTER_GRAPHS) && \
	LD_LIBRARY_PATH=$(STAGE)/lib PATH="$$(dirname "$$ffmpeg"):$$PATH" \
	  bash examples/run-readme.sh filters/README.md

filter-check: library
	@rm -f .build-library/not-tested; \
	$(MAKE) --no-print-directory filter-test || [ -f .build-library/not-tested ]

# A Python that reads latents as their users do.
.build-python/ready: | test-deps
	python3 -m venv .build-python
	.build-python/bin/pip install --quiet numpy webdataset
	touch $@

# Speed beside others, all in one run: the released configuration with random weights. Writes the
# table and the plot of the README, Benchmarks/peers/results.*
BENCH_ROUNDS ?= 3
bench: build .build-bench/ready .build-bench/full/golden.safetensors
	.build-bench/bin/python Benchmarks/peers/peers.py .build-bench/full \
	  --vtfilter "$(CURDIR)/$(BUILD)/vtfilter" --rounds $(BENCH_ROUNDS)

# A batch of training beside PyTorch, in one run: Benchmarks/training/results.md. BENCH_TRAIN=--full adds
# the released model (half an hour, 8 GB).
BENCH_TRAIN ?=
bench-train: build .build-bench/ready
	.build-bench/bin/python Benchmarks/training/compare.py --vtfilter "$(CURDIR)/$(BUILD)/vtfilter" \
	  --rounds $(BENCH_ROUNDS) $(BENCH_TRAIN)

.build-bench/full/golden.safetensors: .build-bench/ready
	.build-bench/bin/python Benchmarks/pytorch/make_full_size.py .build-bench/full

.build-bench/ready: | test-deps
	python3 -m venv .build-bench
	.build-bench/bin/pip install --quiet -r Benchmarks/peers/requirements.txt
	touch $@

# The C library as it is installed, in a folder laid out like PREFIX: it carries the Swift runtime,
# exports the header's functions and nothing else, and stays in the process once it is loaded, for
# hosts that unload plug-ins whose threads still run. These flags cannot stand in Package.swift, which
# others could not depend on then.
LIBRARY := libvidtwin.so.$(API_MAJOR).$(API_MINOR)
STAGE := $(CURDIR)/.build-library/stage
library: deps
	@mkdir -p .build-library
	printf '{ global: vidtwin_*; local: *; };\n' > .build-library/exports.map
	$(SWIFT) build -c release --scratch-path .build-library --product vidtwin \
	  -Xswiftc -static-stdlib -Xlinker --version-script=$(CURDIR)/.build-library/exports.map \
	  -Xlinker -soname=libvidtwin.so.$(API_MAJOR) -Xlinker -Bsymbolic -Xlinker -z -Xlinker nodelete
	$(call install_library,$(STAGE),$(STAGE)/lib,$(STAGE)/include)
	@install -d "$(STAGE)/share/vidtwin"; cp -R models "$(STAGE)/share/vidtwin/"

# install_library: where the prefix is for programs that use it, and where the library, the header go.
# A file is replaced only where it changed, so that what was built against it stays as new as it is.
define install_library
	install -d "$(2)/pkgconfig" "$(3)"
	strip --strip-unneeded -o .build-library/stripped.so .build-library/release/libvidtwin.so
	cmp -s .build-library/stripped.so "$(2)/$(LIBRARY)" || \
	  install -m 755 .build-library/stripped.so "$(2)/$(LIBRARY)"
	ln -sf $(LIBRARY) "$(2)/libvidtwin.so.$(API_MAJOR)"
	ln -sf libvidtwin.so.$(API_MAJOR) "$(2)/libvidtwin.so"
	cmp -s Sources/CVidTwin/include/vidtwin.h "$(3)/vidtwin.h" || \
	  install -m 644 Sources/CVidTwin/include/vidtwin.h "$(3)/vidtwin.h"
	printf '%s\n' 'prefix=$(1)' 'libdir=$(if $(filter $(1),$(PREFIX)),$(LIBDIR),$(2))' \
	  'includedir=$(if $(filter $(1),$(PREFIX)),$(INCLUDEDIR),$(3))' '' 'Name: vidtwin' \
	  'Description: VidTwin video autoencoder' 'Version: $(VERSION)' \
	  'Libs: -L$${libdir} -lvidtwin' 'Cflags: -I$${includedir}' > .build-library/vidtwin.pc
	install -m 644 .build-library/vidtwin.pc "$(2)/pkgconfig/vidtwin.pc"
endef

# The installed program carries the Swift runtime with it; libav and oneDNN are the system's.
install: deps library
	$(SWIFT) build -c release --scratch-path .build-install --static-swift-stdlib --product vtfilter
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/share/vidtwin"
	install -s -m 755 .build-install/release/vtfilter "$(DESTDIR)$(PREFIX)/bin/vtfilter"
	cp -R configs models "$(DESTDIR)$(PREFIX)/share/vidtwin/"
	$(call install_library,$(PREFIX),$(DESTDIR)$(LIBDIR),$(DESTDIR)$(INCLUDEDIR))
	rm -rf .build-install/manual && mkdir -p .build-install/manual
	$(SWIFT) package --scratch-path .build-install plugin --allow-writing-to-package-directory \
	  generate-manual --multi-page --output-directory .build-install/manual
	install -d "$(DESTDIR)$(PREFIX)/share/man/man1"
	find .build-install/manual -name '*.1' -exec install -m 644 {} "$(DESTDIR)$(PREFIX)/share/man/man1/" \;
	install -d "$(DESTDIR)$(PREFIX)/share/bash-completion/completions" \
	  "$(DESTDIR)$(PREFIX)/share/zsh/site-functions" \
	  "$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d"
	.build-install/release/vtfilter --generate-completion-script bash \
	  > "$(DESTDIR)$(PREFIX)/share/bash-completion/completions/vtfilter"
	.build-install/release/vtfilter --generate-completion-script zsh \
	  > "$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_vtfilter"
	.build-install/release/vtfilter --generate-completion-script fish \
	  > "$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/vtfilter.fish"

clean:
	rm -rf .build .build-* demo
