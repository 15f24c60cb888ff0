# What a newcomer needs is `make demo` and `make test`; what CI runs is `make check test`.
SHELL := /bin/bash

PREFIX ?= /usr/local
DESTDIR ?=
SWIFT ?= swift
BUILD := .build/release

# Debian packages, by what needs them:
#   libav*-dev libswscale-dev   reading, scaling and writing video
#   libdnnl-dev                 matrix products (oneDNN)
#   libdeflate-dev              checksums and deflated entries of checkpoints
#   libyaml-dev                 configuration files
#   libssl-dev                  SHA-256 of checkpoints
#   ffmpeg                      the other end of the pipelines: demo, examples and tests
PACKAGES := ffmpeg libavcodec-dev libavfilter-dev libavformat-dev libavutil-dev libdeflate-dev \
	libdnnl-dev libssl-dev libswscale-dev libyaml-dev pkg-config

# What only the tests need: a browser that looks at the evaluation's page, a reader of latents.
TEST_PACKAGES := chromium python3-numpy python3-venv

.PHONY: help deps test-deps build demo test check lint format readme examples install clean

help:
	@echo "make demo      build, reconstruct an example clip, show both side by side"
	@echo "make test      build and run all tests"
	@echo "make check     what CI runs besides: format, warnings, documentation, README, examples"
	@echo "make install   to PREFIX ($(PREFIX)), under DESTDIR if set"
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
test: test-deps
	@set -o pipefail; $(SWIFT) build -c release --build-tests 2>&1 | tee .build-log; \
	status=$$?; grep -E '^$(CURDIR)/.*warning:' .build-log && status=1; rm -f .build-log; exit $$status
	$(SWIFT) build -c release --product vtfilter
	$(SWIFT) test -c release --skip-build

check: lint build readme examples

lint: deps
	$(SWIFT) format lint --strict --recursive --parallel Package.swift Sources Tests

format:
	$(SWIFT) format --in-place --recursive --parallel Package.swift Sources Tests

# Every command that the README shows, in a fresh folder.
readme: build
	PATH="$(CURDIR)/$(BUILD):$$PATH" bash examples/run-readme.sh README.md

# Every script in examples/, on the bundled clips.
examples: build .build-python/ready
	PATH="$(CURDIR)/$(BUILD):$(CURDIR)/.build-python/bin:$$PATH" bash examples/run-all.sh

# A Python that reads latents as their users do.
.build-python/ready: | test-deps
	python3 -m venv .build-python
	.build-python/bin/pip install --quiet numpy webdataset
	touch $@

# The installed program carries the Swift runtime with it; libav and oneDNN are the system's.
install: deps
	$(SWIFT) build -c release --scratch-path .build-install --static-swift-stdlib --product vtfilter
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/share/vidtwin"
	install -s -m 755 .build-install/release/vtfilter "$(DESTDIR)$(PREFIX)/bin/vtfilter"
	cp -R configs models "$(DESTDIR)$(PREFIX)/share/vidtwin/"
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
	rm -rf .build .build-install .build-python demo
