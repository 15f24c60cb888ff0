import Testing
import VidTwinTestSupport

@Suite struct `make deps` {
    @Test func `names missing packages and who can install them, or what Swift lacks`() {
        let result = Shell.run(
            """
            mkdir bin
            printf '#!/bin/sh\\necho 1000\\n' > bin/id
            printf '#!/bin/sh\\ncase "$*" in *ffmpeg*) echo install ok installed;; *) exit 1;; esac\\n' \
              > bin/dpkg-query
            printf '#!/bin/sh\\necho apt-get was called; exit 1\\n' > bin/apt-get
            printf '#!/bin/sh\\necho libncurses.so.6: no such file; exit 127\\n' > bin/swift-alone
            chmod +x bin/*; export PATH=$PWD/bin:$PATH
            make -s -C '\(Fixtures.repository)' deps SWIFT=true \
              PACKAGES="ffmpeg libyaml-dev pkg-config"; echo $?
            make -s -C '\(Fixtures.repository)' deps SWIFT=no-swift-here; echo $?
            make -s -C '\(Fixtures.repository)' deps SWIFT=swift-alone; echo $?
            make -s -C '\(Fixtures.repository)' deps SWIFT=true PACKAGES=ffmpeg; echo $?
            """)
        #expect(result.text == "2\n2\n2\n0", "\(result.text) \(result.errors)")
        #expect(
            result.errors.contains(
                "sudo apt-get install --no-install-recommends libyaml-dev pkg-config"))
        #expect(result.errors.contains("Swift 6.1 or later is needed"))
        #expect(result.errors.contains("libncurses.so.6: no such file"))
        #expect(
            result.errors.contains("sudo apt-get install --no-install-recommends ca-certificates"))
    }
}
