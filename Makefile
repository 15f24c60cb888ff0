# What a newcomer needs is `make demo` and `make test`; what CI runs is `make check test`. Folders may have
# any name: recipes say "$$PWD" for this one, and quote it.
SHELL := /bin/bash

PREFIX ?= /usr/local
DESTDIR ?=
SWIFT ?= swift
BUILD := .build/release
# The library, in a folder laid out like PREFIX; and the file that says that all of `make install` is built.
STAGE := .build-library/stage
INSTALLABLE := .build-install/installable
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
#   g++                         the C and C++ libraries that Swift's programs are linked with
#   ffmpeg                      the other end of the pipelines: demo, examples and tests
PACKAGES := ffmpeg g++ libavcodec-dev libavfilter-dev libavformat-dev libavutil-dev libdeflate-dev \
	libdnnl-dev libssl-dev libswscale-dev libyaml-dev pkg-config zlib1g-dev

# What Swift itself needs, beside what is above.
SWIFT_PACKAGES := ca-certificates git libcurl4 libncurses6 libsqlite3-0 libxml2

# What only the tests need: readers of latents, an MPI. And a browser that looks at the evaluation's page, a
# reader of man pages, a checker of memory, without which tests say what they skip.
TEST_PACKAGES := libopenmpi-dev openmpi-bin python3-numpy python3-venv
MORE_TEST_PACKAGES := chromium mandoc valgrind

# What the plug-ins need: an MPI; the header of frei0r, programs that load it besides ffmpeg; fetching,
# unpacking and assembling FFmpeg's source. What the check of the README's Start needs; what a wheel and the
# tarball do.
MPI_PACKAGES := libopenmpi-dev openmpi-bin
SETS_PACKAGES := openmpi-bin parallel
RECIPES_PACKAGES := $(SETS_PACKAGES) gstreamer1.0-libav gstreamer1.0-plugins-bad gstreamer1.0-plugins-base \
	gstreamer1.0-plugins-good gstreamer1.0-tools
SLURM_PACKAGES := libpmix2 munge slurm-client slurmctld slurmd
BARE_PACKAGES := debootstrap
DEB_PACKAGES := dpkg-dev
FREI0R_HOSTS := gstreamer1.0-plugins-bad gstreamer1.0-plugins-base gstreamer1.0-tools melt
FREI0R_PACKAGES := frei0r-plugins-dev gcc libc6-dev
WHEEL_PACKAGES := cmake gcc libc6-dev ninja-build patch python3-venv
DIST_PACKAGES := binutils cmake dpkg-dev gcc libc6-dev libvpx-dev libwebp-dev make meson nasm ninja-build patch xz-utils
FILTER_PACKAGES := dpkg-dev gcc libc6-dev make nasm pkg-config valgrind xz-utils

.PHONY: help deps test-deps build demo test test-build cpu-levels check check-slow \
	sanitize fuzz fuzz-short failures soak debug-build lint format readme examples bench bench-train \
	library mpi install-mpi mpi-check mpi-check-slow train-soak abi frei0r frei0r-test install-frei0r filter-test \
	filter-check sets-check sets-check-slow recipes \
	recipes-slow bench-storage installable install uninstall install-check install-bare deb deb-check \
	python-check wheel wheel-check wheel-bare dist dist-check clean

help:
	@echo "make demo      build, reconstruct an example clip, show both side by side"
	@echo "make test      build and run all tests, and those that compute at each level of this CPU"
	@echo "make check     what CI runs besides: format, warnings, documentation, README, examples"
	@echo "make check-slow   the long forms of checks: all that follow (an hour)"
	@echo "make sanitize, fuzz, failures, soak   address and thread sanitizers; mutated inputs,"
	@echo "               FUZZ_SECONDS a parser; memory that fails, kills; 2,000 clips"
	@echo "make library   libvidtwin.so, vidtwin.h and vidtwin.pc, in .build-library/stage"
	@echo "make abi, filter-test, frei0r-test, python-check   tests of the library, the plug-ins, Python"
	@echo "make wheel     the Python package for many systems, in .build-wheel/dist (half an hour the first time);"
	@echo "               wheel-check and wheel-bare install and test it"
	@echo "make dist      a tarball of program and library for many systems, in .build-dist (an hour the first time);"
	@echo "               dist-check tests it, in minimal systems too"
	@echo "make mpi       plug-ins for training by many processes (Open MPI, MPICH); mpi-check tests them"
	@echo "make recipes   what docs/RECIPES.md shows; -slow: with torch, Slurm and VapourSynth too"
	@echo "make sets-check   a set that many processes encode: GNU parallel, mpirun; -slow: Slurm too"
	@echo "make installable   builds what the next copies, for a user before root installs"
	@echo "make install   to PREFIX ($(PREFIX)), under DESTDIR if set; install-frei0r, install-mpi"
	@echo "make uninstall   removes what these put there"
	@echo "make deb       Debian packages of all that, in .build-deb/packages; deb-check tries them"
	@echo "make bench-train   a batch of training beside PyTorch (10 minutes)"
	@echo "make bench     vtfilter beside PyTorch, OpenVINO and ONNX Runtime (15 minutes, 8 GB)"
	@echo "make deps      install the Debian packages that are missing"
	@echo "make build, lint, format, clean"

deps:
	@command -v $(SWIFT) >/dev/null || { \
	  echo "Swift 6.1 or later is needed and not found; see https://www.swift.org/install" >&2; exit 1; }
	@said=$$($(SWIFT) --version 2>&1) || { \
	  printf '%s\n' "$$said" "Swift does not start; the packages that it needs:" \
	    "  sudo apt-get install --no-install-recommends $(SWIFT_PACKAGES)" >&2; exit 1; }
	@$(call install_missing,$(PACKAGES))

test-deps: deps
	@$(call install_missing,$(TEST_PACKAGES))
	@($(call install_missing,$(MORE_TEST_PACKAGES))) || echo "going on without them: tests say what they skip" >&2

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
	PATH="$$PWD/$(BUILD):$$PATH" bash examples/demo.sh

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
	status=$$?; root="$$(pwd -P)/" awk 'index($$0, ENVIRON["root"]) == 1 && /warning:/ { print; found = 1 } \
	    END { exit !found }' .build-log && status=1; rm -f .build-log; exit $$status
	$(SWIFT) build -c release --product vtfilter

check: lint build readme examples train-check python-check mpi-check sets-check recipes \
	abi frei0r-test filter-check fuzz-short install-check
	bash Tests/Failures/allocations.sh $(BUILD)/vtfilter $(STAGE) 40
	bash Tests/Failures/limits.sh $(BUILD)/vtfilter 50
	bash Tests/Failures/shrink.sh $(BUILD)/vtfilter
	bash Tests/Failures/kills.sh $(BUILD)/vtfilter 4
	bash Tests/Failures/soak.sh $(BUILD)/vtfilter 600
	SWIFT="$(SWIFT)" bash .ci/sanitize short

# The long forms of what `make check` does in short.
check-slow: debug-build sanitize install-bare deb-check wheel-check wheel-bare dist-check
	$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=300
	$(MAKE) --no-print-directory failures soak train-soak mpi-check-slow sets-check-slow recipes-slow

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
	PATH="$$PWD/$(BUILD):$$PATH" bash examples/run-readme.sh README.md

# What docs/RECIPES.md shows beside other programs; -slow: beside large ones, and VapourSynth where there is
# a Python that its wheel is for.
AS_ROOT := OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
recipes: build .build-recipes/ready
	@$(call install_missing,$(RECIPES_PACKAGES))
	$(AS_ROOT) PATH="$$PWD/$(BUILD):$$PWD/.build-recipes/bin:$$PATH" bash examples/run-readme.sh docs/RECIPES.md

recipes-slow: build .build-train/recipes
	@$(call install_missing,$(SLURM_PACKAGES))
	PATH="$$PWD/$(BUILD):$$PWD/.build-train/bin:$$PATH" bash examples/run-readme.sh docs/RECIPES.md torch
	PATH="$$PWD/$(BUILD):$$PATH" bash Tests/Sets/slurm.sh 4 bash examples/run-readme.sh docs/RECIPES.md slurm
	@python=; for version in 3.12 3.13 3.14; do \
	  python$$version -c '' 2> /dev/null && python=python$$version; done; \
	[ -n "$$python" ] || { echo "no Python 3.12 or later: the recipe of VapourSynth is NOT TESTED" >&2; exit 0; }; \
	$$python -m venv .build-vapoursynth && \
	.build-vapoursynth/bin/python -m pip install --quiet vapoursynth && \
	PATH="$$PWD/$(BUILD):$$PWD/.build-vapoursynth/bin:$$PATH" \
	  bash examples/run-readme.sh docs/RECIPES.md vapoursynth

.build-recipes/ready: Makefile | test-deps
	python3 -m venv .build-recipes
	.build-recipes/bin/python -m pip install --quiet av numpy webdataset
	touch $@

.build-train/recipes: .build-train/ready
	.build-train/bin/python -m pip install --quiet datasets webdataset
	touch $@

# Every script in examples/, on the bundled clips.
examples: build library .build-python/ready
	PATH="$$PWD/$(BUILD):$$PWD/.build-python/bin:$$PATH" bash examples/run-all.sh
	PATH="$$PWD/$(BUILD):$$PWD/.build-python/bin:$$PATH" \
	  bash examples/run-embedding.sh $(STAGE) .build-example

# Training beside PyTorch and Lightning: they take our checkpoints and we theirs. Then what
# docs/TRAINING.md shows, in a short form.
train-check: build .build-train/ready
	PATH="$$PWD/$(BUILD):$$PATH" .build-train/bin/python Tests/Training/pytorch.py \
	  "$$PWD/$(BUILD)/vtfilter" "$$PWD"
	.build-train/bin/python Tests/Training/events.py "$$PWD/$(BUILD)/vtfilter" "$$PWD"
	.build-train/bin/python Tests/Training/offline_run.py "$$PWD/$(BUILD)/vtfilter" "$$PWD"
	PATH="$$PWD/$(BUILD):$$PATH" bash Tests/Training/learns.sh "$$PWD"

.build-train/ready: Tests/Training/requirements.txt | test-deps
	python3 -m venv .build-train
	.build-train/bin/python -m pip install --quiet -r Tests/Training/requirements.txt
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

# 10,000 batches of a small model in flat memory; a clock that jumps; a run that was moved.
TRAIN_SOAK ?= 10000
train-soak: build test-deps
	bash Tests/Training/soak.sh $(BUILD)/vtfilter $(TRAIN_SOAK)

# Two processes are one, by Open MPI; then 2 and 4, by MPICH too, and all golden configurations.
mpi-check: build test-deps mpi
	python3 Tests/Training/processes.py $(BUILD)/vtfilter "$$PWD" --mpi openmpi

mpi-check-slow: build test-deps
	@$(call install_missing,$(MPI_PACKAGES) iproute2 libmpich-dev mpich)
	$(MAKE) --no-print-directory mpi
	python3 Tests/Training/processes.py $(BUILD)/vtfilter "$$PWD" --long
	python3 Tests/Training/processes.py $(BUILD)/vtfilter "$$PWD" --hosts

# A set that several processes share is what one makes of it, whatever starts them. -slow: a cluster of
# Slurm on this machine, which trains, too.
sets-check: build test-deps
	@$(call install_missing,$(SETS_PACKAGES))
	bash Tests/Sets/spread.sh $(BUILD)/vtfilter . parallel xargs mpirun

sets-check-slow: build test-deps mpi
	@$(call install_missing,$(SETS_PACKAGES) $(SLURM_PACKAGES))
	bash Tests/Sets/spread.sh $(BUILD)/vtfilter . slurm
	bash Tests/Training/slurm.sh $(BUILD)/vtfilter .

install-mpi: mpi
	install -d "$(DESTDIR)$(LIBDIR)"
	install -m 755 $(STAGE)/lib/libvidtwin-mpi.*.so "$(DESTDIR)$(LIBDIR)/"

# The plug-in for hosts of frei0r, beside the library that it loads.
frei0r: library
	@$(call install_missing,$(FREI0R_PACKAGES))
	install -d $(STAGE)/lib/frei0r-1
	$(CC) -std=gnu11 -O2 -Wall -Wextra -Werror -fPIC -shared filters/frei0r/vidtwin.c \
	  -I$(STAGE)/include -L$(STAGE)/lib -lvidtwin \
	  -Wl,-z,nodelete '-Wl,-rpath,$$ORIGIN/..' -o $(STAGE)/lib/frei0r-1/vidtwin.so

frei0r-test: frei0r build
	@($(call install_missing,$(FREI0R_HOSTS))) || echo "hosts of the plug-in that are missing are NOT TESTED" >&2
	PATH="$$PWD/$(BUILD):$$PATH" bash filters/frei0r/test.sh $(STAGE)/lib/frei0r-1
	FREI0R_PATH="$$PWD/$(STAGE)/lib/frei0r-1" bash examples/run-readme.sh filters/frei0r/README.md

# Compiled only where a source is newer, as in `make install`.
$(STAGE)/lib/frei0r-1/vidtwin.so: filters/frei0r/vidtwin.c $(INSTALLABLE)
	$(MAKE) --no-print-directory frei0r

install-frei0r: $(STAGE)/lib/frei0r-1/vidtwin.so
	install -d "$(DESTDIR)$(LIBDIR)/frei0r-1"
	install -m 755 $(STAGE)/lib/frei0r-1/vidtwin.so "$(DESTDIR)$(LIBDIR)/frei0r-1/vidtwin.so"

# The filter, in an ffmpeg that is built for it from Debian's source; about two minutes the first time,
# in ~/.cache/vidtwin. Fails where the source cannot be had; filter-check, for CI, says so and goes on.
filter-test: library build
	@$(call install_missing,$(FILTER_PACKAGES))
	@ffmpeg=$$(bash filters/build-ffmpeg.sh $(STAGE)) || { \
	  status=$$?; [ $$status != 75 ] || \
	    echo "FFmpeg's source cannot be had: the filter was NOT TESTED" | tee .build-library/not-tested >&2; \
	  exit $$status; }; \
	LD_LIBRARY_PATH="$$PWD/$(STAGE)/lib" PATH="$$PWD/$(BUILD):$$PATH" bash filters/test.sh "$$ffmpeg" && \
	LD_LIBRARY_PATH="$$PWD/$(STAGE)/lib" bash filters/graphs.sh "$$(dirname "$$ffmpeg")" $(STAGE) $(FILTER_GRAPHS) && \
	LD_LIBRARY_PATH="$$PWD/$(STAGE)/lib" PATH="$$(dirname "$$ffmpeg"):$$PATH" \
	  bash examples/run-readme.sh filters/README.md

filter-check: library
	@rm -f .build-library/not-tested; \
	$(MAKE) --no-print-directory filter-test || [ -f .build-library/not-tested ]

# The Python package as pip installs it, with the library from here, beside vtfilter and those that read its
# latents. The tests are found where the package's source is not.
python-check: library build .build-train/python-ready
	rm -rf .build-train/package && mkdir -p .build-train/package && ln -sfn ../../python/tests .build-train/package/tests
	.build-train/bin/python -m pip install --quiet --no-deps --target .build-train/package ./python
	VTFILTER="$$PWD/$(BUILD)/vtfilter" PYTHONPATH="$$PWD/.build-train/package" \
	  .build-train/bin/python -W ignore -m unittest discover \
	  -s .build-train/package/tests -t .build-train/package

# The package for other systems than this: libvidtwin with all that it needs inside, and a small oneDNN, which
# is built from Debian's source package, once. Then in an environment of each Python that is here, and in
# minimal roots.
wheel: deps
	@$(call install_missing,$(WHEEL_PACKAGES))
	SWIFT="$(SWIFT)" bash python/wheel/build.sh

wheel-check: wheel build .build-train/python-ready
	VTFILTER="$$PWD/$(BUILD)/vtfilter" TORCH="$$(echo "$$PWD"/.build-train/lib/python*/site-packages)" \
	  bash python/wheel/check.sh .build-wheel/dist/vidtwin-*.whl

wheel-bare: wheel
	@$(call install_missing,$(BARE_PACKAGES))
	bash python/wheel/check.sh --bare .build-wheel/dist/vidtwin-*.whl

# Program and library for other systems than this, with a libav of their own: .packaging/dist. Then beside the
# program here, and in minimal roots.
DIST := .build-dist/vidtwin-$(VERSION)-linux-x86_64.tar.xz
dist: deps
	@$(call install_missing,$(DIST_PACKAGES))
	SWIFT="$(SWIFT)" bash .packaging/dist/build.sh

dist-check: dist build test-deps
	@$(call install_missing,$(BARE_PACKAGES))
	bash .ci/dist $(DIST) $(BUILD)/vtfilter

.build-train/python-ready: python/tests/requirements.txt .build-train/ready
	.build-train/bin/python -m pip install --quiet -r python/tests/requirements.txt
	touch $@

# A Python that reads latents as their users do.
.build-python/ready: | test-deps
	python3 -m venv .build-python
	.build-python/bin/python -m pip install --quiet numpy webdataset
	touch $@

# Speed beside others, all in one run: the released configuration with random weights. Writes the
# table and the plot of the README, Benchmarks/peers/results.*
BENCH_ROUNDS ?= 3
bench: build .build-bench/ready .build-bench/full/golden.safetensors
	.build-bench/bin/python Benchmarks/peers/peers.py .build-bench/full \
	  --vtfilter "$$PWD/$(BUILD)/vtfilter" --rounds $(BENCH_ROUNDS)

# How fast latents are read from where people keep them: Benchmarks/storage/results.md.
bench-storage: build .build-train/recipes
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	$(BUILD)/vtfilter encode -q -i Tests/Fixtures/media/city.mp4 -o "$$folder/in.tar" && \
	PYTHONPATH="$$PWD/python" VIDTWIN_LIBRARY="$$PWD/$(STAGE)/lib/libvidtwin.so.1" .build-train/bin/python \
	  Benchmarks/storage/storage.py "$$folder/in.tar" "$$folder/set" > Benchmarks/storage/results.md && \
	cat Benchmarks/storage/results.md

# A batch of training beside PyTorch, in one run: Benchmarks/training/results.md. BENCH_TRAIN=--full adds
# the released model (half an hour, 8 GB).
BENCH_TRAIN ?=
bench-train: build .build-bench/ready
	.build-bench/bin/python Benchmarks/training/compare.py --vtfilter "$$PWD/$(BUILD)/vtfilter" \
	  --rounds $(BENCH_ROUNDS) $(BENCH_TRAIN)

.build-bench/full/golden.safetensors: .build-bench/ready
	.build-bench/bin/python Benchmarks/pytorch/make_full_size.py .build-bench/full

.build-bench/ready: | test-deps
	python3 -m venv .build-bench
	.build-bench/bin/python -m pip install --quiet -r Benchmarks/peers/requirements.txt
	touch $@

# The C library as it is installed, in a folder laid out like PREFIX: it carries the Swift runtime,
# exports the header's functions and nothing else, and stays in the process once it is loaded, for
# hosts that unload plug-ins whose threads still run. These flags cannot stand in Package.swift, which
# others could not depend on then.
LIBRARY := libvidtwin.so.$(API_MAJOR).$(API_MINOR)
library: deps
	@mkdir -p .build-library
	printf '{ global: vidtwin_*; local: *; };\n' > .build-library/exports.map
	$(SWIFT) build -c release --scratch-path .build-library --product vidtwin \
	  -Xswiftc -static-stdlib -Xlinker "--version-script=$$PWD/.build-library/exports.map" \
	  -Xlinker -soname=libvidtwin.so.$(API_MAJOR) -Xlinker -Bsymbolic -Xlinker -z -Xlinker nodelete
	strip --strip-unneeded -o .build-library/stripped.so .build-library/release/libvidtwin.so
	$(call install_library,\$${pcfiledir}/../..,$(STAGE)/lib,$(STAGE)/include,\$${prefix}/lib,\$${prefix}/include)
	@install -d "$(STAGE)/share/vidtwin"; cp -R models "$(STAGE)/share/vidtwin/"

# install_library: where the prefix is for programs that use it, and where the library, the header go.
# A file is replaced only where it changed, so that what was built against it stays as new as it is. The
# folders in vidtwin.pc stand under its prefix where they can, and blanks in them are escaped.
define install_library
	install -d "$(2)/pkgconfig" "$(3)"
	cmp -s .build-library/stripped.so "$(2)/$(LIBRARY)" || \
	  install -m 755 .build-library/stripped.so "$(2)/$(LIBRARY)"
	ln -sf $(LIBRARY) "$(2)/libvidtwin.so.$(API_MAJOR)"
	ln -sf libvidtwin.so.$(API_MAJOR) "$(2)/libvidtwin.so"
	cmp -s Sources/CVidTwin/include/vidtwin.h "$(3)/vidtwin.h" || \
	  install -m 644 Sources/CVidTwin/include/vidtwin.h "$(3)/vidtwin.h"
	printf '%s\n' "prefix=$(1)" "libdir=$(4)" "includedir=$(5)" '' 'Name: vidtwin' \
	  'Description: VidTwin video autoencoder' 'Version: $(VERSION)' \
	  'Libs: -L$${libdir} -lvidtwin' 'Cflags: -I$${includedir}' | \
	  sed '1,3s/ /\\ /g' > "$(2)/pkgconfig/vidtwin.pc"
	chmod 644 "$(2)/pkgconfig/vidtwin.pc"
endef

# All that `make install` copies: compiled where a source is newer, so that it can be made by a user and
# installed by root, who may have no Swift. The installed program carries the Swift runtime with it; libav
# and oneDNN are the system's.
installable: $(INSTALLABLE)
$(INSTALLABLE): Package.swift Makefile docs/man-pages.sh $(shell find Sources -type f)
	$(MAKE) --no-print-directory library
	$(SWIFT) build -c release --scratch-path .build-install --static-swift-stdlib --product vtfilter
	$(SWIFT) build -c release --scratch-path .build-manual --product generate-manual \
	  --package-path .build-install/checkouts/swift-argument-parser
	SOURCE="$(VERSION)" bash docs/man-pages.sh .build-manual/release/generate-manual \
	  .build-install/release/vtfilter .build-install/manual
	for shell in bash zsh fish; do \
	  .build-install/release/vtfilter --generate-completion-script $$shell > .build-install/completion.$$shell || exit 1; \
	done
	touch $@

SHARE := $(DESTDIR)$(PREFIX)/share
install: $(INSTALLABLE)
	@case "$(PREFIX)" in /*) ;; *) echo "PREFIX=$(PREFIX): expected a path that begins with /" >&2; exit 1;; esac
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(SHARE)/vidtwin" "$(SHARE)/man/man1" \
	  "$(SHARE)/bash-completion/completions" "$(SHARE)/zsh/site-functions" "$(SHARE)/fish/vendor_completions.d"
	install -s -m 755 .build-install/release/vtfilter "$(DESTDIR)$(PREFIX)/bin/vtfilter"
	find configs models -type f -exec sh -c 'install -D -m 644 "$$2" "$$1/$$2"' - "$(SHARE)/vidtwin" {} \;
	$(call install_library,$(PREFIX),$(DESTDIR)$(LIBDIR),$(DESTDIR)$(INCLUDEDIR),$(LIBDIR),$(INCLUDEDIR))
	install -m 644 .build-install/manual/*.1 "$(SHARE)/man/man1/"
	install -m 644 .build-install/completion.bash "$(SHARE)/bash-completion/completions/vtfilter"
	install -m 644 .build-install/completion.zsh "$(SHARE)/zsh/site-functions/_vtfilter"
	install -m 644 .build-install/completion.fish "$(SHARE)/fish/vendor_completions.d/vtfilter.fish"
	@[ -n "$(DESTDIR)" ] || { $(tell_loader); }

# The loader finds libraries in its folders once its list is made anew. Where the library is in none of
# them, or the list is not ours to make, what is needed is said.
define tell_loader
PATH="$$PATH:/usr/sbin:/sbin"; [ "$$(id -u)" != 0 ] || ldconfig; \
ldconfig -p | grep -qF " $(LIBDIR)/libvidtwin.so.$(API_MAJOR)" || \
  echo "Programs that use libvidtwin find it with LD_LIBRARY_PATH=\"$(LIBDIR)\"."
endef

# Removes what `make install` puts there with the same PREFIX and DESTDIR, plug-ins included, and
# folders of its own that are empty then.
uninstall:
	rm -f "$(DESTDIR)$(PREFIX)/bin/vtfilter" "$(DESTDIR)$(LIBDIR)"/libvidtwin.so* \
	  "$(DESTDIR)$(LIBDIR)/pkgconfig/vidtwin.pc" "$(DESTDIR)$(INCLUDEDIR)/vidtwin.h" \
	  "$(DESTDIR)$(LIBDIR)/frei0r-1/vidtwin.so" "$(DESTDIR)$(LIBDIR)"/libvidtwin-mpi.*.so \
	  "$(SHARE)/man/man1"/vtfilter.1 "$(SHARE)/man/man1"/vtfilter[.-]*.1 \
	  "$(SHARE)/bash-completion/completions/vtfilter" "$(SHARE)/zsh/site-functions/_vtfilter" \
	  "$(SHARE)/fish/vendor_completions.d/vtfilter.fish"
	for folder in configs models; do \
	  find "$$folder" -type f | while IFS= read -r file; do rm -f "$(SHARE)/vidtwin/$$file"; done; \
	done
	for folder in "$(SHARE)/vidtwin" "$(DESTDIR)$(LIBDIR)/frei0r-1"; do \
	  [ ! -d "$$folder" ] || find "$$folder" -depth -type d -exec rmdir --ignore-fail-on-non-empty {} +; \
	done
	@[ -n "$(DESTDIR)" ] || [ "$$(id -u)" != 0 ] || PATH="$$PATH:/usr/sbin:/sbin" ldconfig

# Debian packages of the program, the library, its header and the model, for this system's libav and oneDNN:
# .build-deb/packages/*.deb. The check is lintian's, and an installation in a minimal Debian.
DEB := .build-deb
deb: installable
	@$(call install_missing,$(DEB_PACKAGES))
	rm -rf $(DEB)/tree
	$(MAKE) --no-print-directory install PREFIX=/usr DESTDIR="$$PWD/$(DEB)/tree" \
	  LIBDIR="/usr/lib/$$(dpkg-architecture -qDEB_HOST_MULTIARCH)"
	bash .packaging/deb $(DEB)/tree $(DEB)/packages $(VERSION) $(API_MAJOR).$(API_MINOR)

deb-check: deb build test-deps
	@$(call install_missing,$(BARE_PACKAGES) lintian)
	bash .ci/deb $(DEB)/packages $(BUILD)/vtfilter

# What a new user does, in a copy of this checkout whose path has blanks: see .ci/install. install-bare is
# the README's Start in a minimal Debian (root, debootstrap).
install-check: test-deps
	SWIFT="$(SWIFT)" bash .ci/install

install-bare: test-deps
	@$(call install_missing,$(BARE_PACKAGES))
	SWIFT="$(SWIFT)" bash .ci/install-bare

clean:
	rm -rf .build .build-* demo
