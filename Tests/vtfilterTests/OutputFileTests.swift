import Testing
import VidTwinTestSupport

/// Every command that writes a file, with the input `a.mp4` and the output `$1`.
private let writers = [
    "vtfilter reconstruct -q --frames 1 -i a.mp4 --output-format nut -o \"$1\"",
    "vtfilter encode -q --frames 1 -i a.mp4 -o \"$1\"",
    "vtfilter decode -q -i a.tar --output-format nut -o \"$1\"",
    "vtfilter cross-reenact -q --structure a.mp4 --dynamics a.mp4 --output-format nut -o \"$1\"",
    "vtfilter evaluate -q --frames 1 a.mp4 --json \"$1\"",
    "vtfilter evaluate -q --frames 1 a.mp4 --csv \"$1\"",
    "vtfilter evaluate -q --frames 1 a.mp4 --report \"$1\"",
]

private let inputs = """
    ffmpeg -v error -f lavfi -i testsrc2=s=64x64:r=25:d=0.2 -pix_fmt yuv420p a.mp4
    vtfilter encode -q -i a.mp4 -o a.tar

    """

@Suite struct `Files that are written` {
    @Test(arguments: writers)
    func `new, existing, a link, an input, a pipe, another name`(_ command: String) {
        let result = Shell.run(
            inputs + """
                run() { set -- "$1"; \(command); }
                again() { set -- "$1"; \(command) -y; }
                mkdir d; cd d; ln ../a.mp4 ../a.tar .
                run new; echo new $? $(head -c 1 new | wc -c)
                echo kept > old; chmod 600 old; run old 2> err; echo old $? $(cat old)
                again old; echo again $? $(stat -c %a old) $(head -c 4 old | grep -c kept)
                ln -s target link; run link; echo link $? $(readlink link) $(head -c 1 target | wc -c)
                ln a.mp4 hard; again hard 2> err; echo input $? $(cmp a.mp4 ../a.mp4 && echo same)
                mkfifo pipe; (timeout 20 head -c 1 pipe | wc -c > got) & run pipe 2> err
                wait; echo pipe $(test -p pipe && echo stays) $(cat got)
                run $'\\xff' ; echo bytes $? $(ls | grep -c $'\\xff')
                run "$(printf 'n%.0s' {1..255})"; echo long $?
                run none/x 2> err; echo none $?
                exec 7> seven; run /dev/fd/7; echo seven $? $(head -c 1 seven | wc -c)
                ls -A | grep -c tmp
                """)
        let isDecode = command.contains("decode")
        #expect(
            result.text.split(separator: "\n").map(String.init) == [
                "new 0 1", "old 2 kept", "again 0 600 0", "link 0 target 1",
                // decode reads a.tar, and may replace a video.
                isDecode ? "input 0 same" : "input 2 same", "pipe stays 1", "bytes 0 1", "long 0",
                "none 1", "seven 0 1", "0",
            ], "\(result.text)\n\(result.errors)")
    }

    @Test func `reports are no inputs, and each has its own file`() {
        let result = Shell.run(
            inputs + """
                vtfilter evaluate -q --frames 1 a.mp4 --json x --csv ./x; echo $?
                model=$(vtfilter info --json | grep -o '"checkpoint" : ".*"' | cut -d'"' -f4)
                ln -s "$model" m; vtfilter evaluate -q -y --frames 1 a.mp4 --json m; echo $?
                vtfilter reconstruct -q -i a.mp4 -o o.nut --progress a.mp4; echo $?
                echo words > p; vtfilter reconstruct -q -i a.mp4 -o o.nut --progress p; echo $? $(cat p)
                for i in 1 2; do vtfilter reconstruct -q -y -i a.mp4 -o o.nut --progress q; done
                echo $? $(grep -c progress=end q)
                ls -A
                """)
        #expect(
            result.text.split(separator: "\n").map(String.init) == [
                "2", "2", "2", "2 words", "0 1", "a.mp4", "a.tar", "m", "o.nut", "p", "q",
            ], "\(result.text)\n\(result.errors)")
    }

    @Test func `of two runs with one output the later is refused, and harms nothing`() {
        let result = Shell.run(
            inputs + """
                for i in 1 2; do (vtfilter reconstruct -q -i a.mp4 -o o.mp4 2> $i.err; echo $?) & done
                wait; ffprobe -v error -count_frames -show_entries stream=nb_read_frames -of csv=p=0 o.mp4
                cat *.err | wc -l; ls -A | grep -c tmp
                """)
        #expect(
            result.text.split(separator: "\n").sorted() == ["0", "0", "1", "2", "5"],
            "\(result.text)\n\(result.errors)")
    }

    @Test(arguments: ["INT", "TERM", "HUP"])
    func `a signal leaves no unfinished file of any writer`(_ signal: String) {
        let result = Shell.run(
            """
            ffmpeg -v error -f lavfi -i testsrc2=s=64x64:r=25:d=40 -pix_fmt yuv420p one.mp4
            ffmpeg -v error -stream_loop 50 -i one.mp4 -c copy a.mp4; rm one.mp4
            # A shell has its commands in the background ignore SIGINT.
            try() {
              env --default-signal=\(signal) "${@:2}" & p=$!
              sleep 1; until eval "$1" || ! kill -0 $p; do sleep 0.1; done
              kill -\(signal) $p; wait $p; echo $? $(ls -A | grep -c tmp)
            }
            try "grep -qs '^frame=[1-9]' said" vtfilter reconstruct -q -i a.mp4 -o o.mp4 --progress said
            try true vtfilter evaluate -q a.mp4 --json o.json
            rm said
            ls -A
            """)
        let code = ["INT": 130, "TERM": 143, "HUP": 129][signal] ?? 0
        #expect(
            result.text.split(separator: "\n").map(String.init) == [
                "\(code) 0", "\(code) 0", "a.mp4", "o.mp4",
            ], "\(result.text)\n\(result.errors)")
    }

    @Test func `an ignored signal stays ignored, and a full file size is an error`() {
        let result = Shell.run(
            """
            ffmpeg -v error -f lavfi -i testsrc2=s=64x64:r=25:d=4 -pix_fmt yuv420p a.mp4
            (trap '' HUP INT; exec vtfilter reconstruct -q -i a.mp4 -o o.nut) & p=$!
            for i in 1 2 3; do sleep 0.1; kill -HUP $p; kill -INT $p; done
            wait $p; echo $?
            (ulimit -f 100; vtfilter reconstruct -q -i a.mp4 -o big.nut); echo $?
            ls -A
            """)
        #expect(
            result.text.split(separator: "\n").map(String.init) == ["0", "1", "a.mp4", "o.nut"],
            "\(result.text)\n\(result.errors)")
        #expect(result.errors.contains("File too large"))
    }

    @Test func `a pipe without a reader, or with one that sleeps, ends at the first signal`() {
        let result = Shell.run(
            inputs + """
                mkfifo pipe
                timeout -s TERM 1 vtfilter reconstruct -q -i a.mp4 -o pipe; echo $?
                vtfilter reconstruct -q -i a.mp4 --output-format nut -o - | sleep 30 & 
                timeout -s TERM 1 vtfilter reconstruct -q -i a.mp4 --output-format nut -o - | sleep 3
                echo ${PIPESTATUS[0]}
                kill %1
                """, seconds: 25)
        #expect(
            result.text.split(separator: "\n").prefix(2) == ["124", "124"],
            "\(result.text)\n\(result.errors)")
    }
}

@Suite struct `Standard descriptors` {
    @Test func `closed ones are errors, not files that are opened later`() {
        let result = Shell.run(
            inputs + """
                timeout 10 vtfilter reconstruct -q -o o.y4m <&-; echo $?
                timeout 20 vtfilter reconstruct -i a.mp4 -o p.y4m <&- 2>&-; echo $? $(head -c 9 p.y4m)
                timeout 20 vtfilter reconstruct -i a.mp4 --output-format nut >&- 2>&-; echo $?
                timeout 20 vtfilter info >&-; echo $?
                ls -A
                """)
        #expect(
            result.text.split(separator: "\n").map(String.init) == [
                "1", "0 YUV4MPEG2", "1", "1", "a.mp4", "a.tar", "p.y4m",
            ], "\(result.text)\n\(result.errors)")
    }

    @Test(arguments: [
        "info", "info --json", "--help", "--version", "help encode", "bench --clips 1",
    ])
    func `a full device is an error`(_ command: String) {
        #expect(Shell.run("vtfilter \(command) > /dev/full").status == 1)
    }
}

@Suite struct `Names from outside` {
    @Test func `names begin no line and move no cursor, on any stream`() {
        let result = Shell.run(
            inputs + """
                n=$'x\\nvtfilter: error: \\e]52;c;eA==\\a\\u202e.mp4'
                echo junk > "$n"
                vtfilter reconstruct -i "$n" -o o.nut
                vtfilter reconstruct "--$n"
                vtfilter evaluate "$n" --json o.json
                cp a.mp4 "$n"; vtfilter evaluate --frames 1 "$n" --json o.json -y
                grep -c u202e o.json >&2
                vtfilter encode -q -i a.mp4 -o - | sed 's/"rate":"25"/"rate":"\\x1b]"/' | vtfilter info /dev/stdin
                """)
        let bad = (result.errors + result.text).unicodeScalars.filter {
            $0.value < 32 && $0 != "\n" || (127..<160).contains($0.value) || $0.value == 0x202e
        }
        #expect(bad.isEmpty, "\(result.errors)")
        #expect(!result.errors.contains("\nvtfilter: error: \\u"), "\(result.errors)")
        #expect(result.errors.contains("x\\nvtfilter: error: \\u{1b}]52;c;eA==\\u{7}\\u{202e}.mp4"))
    }

    @Test func `names that are not UTF-8 are read and written as they are`() {
        let result = Shell.run(
            inputs + """
                n=$'v\\xff\\xe4'; mkdir $n; mv a.mp4 $n/$n.mp4
                vtfilter reconstruct -q -i $n/$n.mp4 -o $n/o.mp4 --progress $n/p; echo $?
                vtfilter encode -q -i $n/$n.mp4 -o $n/$n.tar; echo $?
                vtfilter decode -q -i $n/$n.tar -o $n/$n.mkv; echo $?
                vtfilter evaluate -q --data-dir $n --frames 1 --csv $n/$n.csv --json $n/$n.json; echo $?
                vtfilter convert --precision f32 -o $n/m.safetensors -q; echo $?
                vtfilter info --model $n > /dev/null 2>&1 || vtfilter info --ckpt $n/m.safetensors > /dev/null; echo $?
                ls $n | wc -l; grep -c 'v.xff.xe4.mp4' $n/$n.csv
                """)
        #expect(
            result.text.split(separator: "\n").map(String.init)
                == ["0", "0", "0", "0", "0", "0", "8", "1"],
            "\(result.text)\n\(result.errors)")
    }

    @Test func `cells of a table are no formulas`() {
        let result = Shell.run(
            inputs + """
                cp a.mp4 '=cmd|x.mp4'; cp a.mp4 @b.mp4
                vtfilter evaluate -q --frames 1 --data-dir . --csv -
                """)
        #expect(result.text.contains("\"'=cmd|x.mp4\",0") && result.text.contains("\"'@b.mp4\",0"))
    }
}
