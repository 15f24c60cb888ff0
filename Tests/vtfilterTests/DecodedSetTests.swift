import Testing
import VidTwinTestSupport

/// Videos of other rates, sizes, lengths and containers; two of a name in two folders, two that differ in their
/// ending, one that is no UTF-8.
private let videos = """
    vt() { vtfilter "$1" -q --model $GOLDENS/tiny --threads 1 "${@:2}"; }
    video() { ffmpeg -v error -f lavfi -i testsrc2=s=$1:r=$2:d=3 -frames:v $3 "$4"; }
    mkdir -p v/a v/b/c
    video 64x64 25 20 v/a/1.mp4; video 96x64 30000/1001 33 v/b/1.mp4; video 64x96 12 7 v/b/c/1.mkv
    video 80x60 50 40 v/1.mov; video 64x64 25 9 v/a/1.avi; video 64x64 25 17 "v/b/a b.mpg"
    cp v/a/1.mp4 $'v/b/\\xff.mp4'
    frames() { ffmpeg -nostdin -v error -i "$1" -map 0:v -f framemd5 - | grep -v '^#'; }
    facts() {
      ffprobe -v error -select_streams v -count_frames -of csv=p=0 "$1" \\
        -show_entries stream=r_frame_rate,nb_read_frames,width,height:format=duration | tr '\\n' ' '
    }
    # KEY=SOURCE... of a stream of one video: its samples under other keys, from other paths.
    cat > forge.py <<'P'
    import io, json, sys, tarfile
    read = tarfile.open(sys.argv[1])
    out = tarfile.open(sys.argv[2], "w")
    for said in sys.argv[3:]:
        key, _, source = said.partition("=")
        for member in read.getmembers():
            data = read.extractfile(member).read()
            number, ending = member.name.rpartition("_")[2].split(".", 1)
            if ending == "json":
                info = json.loads(data)
                info["source"] = source.replace("@", "\\0") or None
                data = json.dumps(info).encode()
            new = tarfile.TarInfo(f"{key}_{number}.{ending}")
            new.size = len(data)
            out.addfile(new, io.BytesIO(data))
    out.close()
    P

    """

@Suite struct `Sets of latents back to videos` {
    @Test(arguments: ["crop", "stretch"])
    func `every video comes back, under its path, as reconstruct has it`(_ fit: String) {
        let result = Shell.run(
            videos + """
                vt encode --data-dir v -o s/ --shard-size 5 --fit \(fit); ls s/*.tar | wc -l
                cat s/*.tar | vt decode -o o/; echo $?; find o -type f | wc -l
                (cd v && find . -type f) | while read -r f; do
                  o=o/$f; [ -e "$o" ] || o=$o.mp4
                  vt reconstruct -i "v/$f" -y -o "r.${o##*.}" --fit \(fit) 2> /dev/null
                  [ "$(frames "$o")" = "$(frames "r.${o##*.}")" ] && [ "$(facts "$o")" = "$(facts "r.${o##*.}")" ] && echo same
                done
                find o -type f | LC_ALL=C sort | tr '\\n' ,; echo; facts o/1.mov
                """)
        let size = fit == "crop" ? "64,64" : "80,60"
        let names: [String] = [
            "1.mov", "a/1.avi", "a/1.mp4", "b/1.mp4", "b/a b.mpg.mp4", "b/c/1.mkv",
        ]
        let lines = result.text.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.first == "3" && lines.dropFirst().first == "0", "\(result.errors)")
        #expect(lines.filter { $0 == "same" }.count == 7, "\(result.text) \(result.errors)")
        #expect(
            lines.dropLast().last.map { String($0) }
                == names.map { "o/\($0)," }.joined() + "o/b/\u{fffd}.mp4,")
        #expect(
            lines.last?.split(whereSeparator: \.isWhitespace).joined(separator: " ")
                == "\(size),50/1,40 0.800000", "\(result.text)")
    }

    @Test func `what is there stays, is gone on with, or is done again`() {
        let result = Shell.run(
            videos + """
                vt encode --data-dir v -o s/; t=s/shard-000000.tar
                vt decode -i $t -o o/; vt decode -i $t -o o/ 2> words; echo $? $(grep -c -e --resume words)
                find o -type f -exec md5sum {} + | sort > before; rm o/a/1.mp4; touch -d @0 o/b/1.mp4
                vt decode -i $t -o o/ --resume; echo $?; find o -type f -exec md5sum {} + | sort | cmp - before
                stat -c %Y o/b/1.mp4; vt decode -i $t -o o/ -y; echo $?; [ $(stat -c %Y o/b/1.mp4) != 0 ] && echo new
                # A format for all: endings that are not its own stay, so that no two become one.
                vt decode -i $t -o n/ -f nut; find n -type f | LC_ALL=C sort | tr '\\n' ' '
                (exec vtfilter decode -q --model $GOLDENS/tiny -i $t -o k/ & p=$!; sleep 0.1; kill -9 $p; wait $p) 2> /dev/null
                vt decode -i $t -o k/ --resume; echo $?; (cd k && find . -type f -exec md5sum {} +) | sort > after
                sed 's| o/| ./|' before | cmp - after && find k | grep -c tmp
                """)
        #expect(
            result.text == """
                2 1
                0
                0
                0
                new
                n/1.mov.nut n/a/1.avi.nut n/a/1.mp4.nut n/b/1.mp4.nut n/b/a b.mpg.nut n/b/c/1.mkv.nut \
                n/b/\u{fffd}.mp4.nut 0
                0
                """, "\(result.text)\n\(result.errors)")
    }

    @Test func `no name leads out of the folder, or over another file`() {
        let result = Shell.run(
            videos + """
                mkdir one up; cp v/a/1.mp4 one; vt encode --data-dir one -o s/; cd up
                python3 ../forge.py ../s/shard-000000.tar f.tar ../../k /abs a/../../k2 ./k3 ok=a/b.mp4 \\
                  x=../up.mp4 y=$PWD/../abs.mp4 z=a//b.mp4 w=c/ v=. u=.. t=$(printf 'n%.0s' {1..250}).mp4 \\
                  same=a/b.mp4 in=a/b.mp4/c.mp4 link=l/x.mp4 file=m.mp4 nul=a@b.mp4
                mkdir o ../elsewhere; ln -s ../../elsewhere o/l; ln -s ../../elsewhere/m.mp4 o/m.mp4
                vt decode -i f.tar -o o/ 2> words; echo $?; cat words >&2; grep -c error words
                find o -type f | LC_ALL=C sort; ls ../elsewhere; ls ..; ls /abs* /k* 2> /dev/null
                """)
        let lines = result.text.split(separator: "\n").map(String.init)
        // `same`, `in`, `link` and `file` have no place.
        #expect(lines.starts(with: ["3", "4"]), "\(result.text)\n\(result.errors)")
        let files = lines.filter { $0.hasPrefix("o/") }
        #expect(files.count == 13, "\(result.text)\n\(result.errors)")
        #expect(files.contains("o/a/b.mp4"))
        #expect(files.allSatisfy { !$0.contains("..") && $0.hasSuffix(".mp4") })
        #expect(
            Array(lines.suffix(6)) == ["elsewhere", "forge.py", "one", "s", "up", "v"],
            "\(result.text)")
    }

    @Test func `faults of one video are its own, those of the stream end it`() {
        let result = Shell.run(
            videos + """
                mkdir one; cp v/a/1.mp4 one; vt encode --data-dir one -o s/
                # One video's clips after another's: no file has half of them.
                python3 forge.py s/shard-000000.tar twice.tar a=a.mp4 b=b.mp4 a=a.mp4 c=c.mp4 a=a.mp4
                vt decode -i twice.tar -o twice/ 2> words; echo $? $(grep -c 'one after the other' words); ls twice | tr '\\n' ' '
                python3 forge.py s/shard-000000.tar cut.tar a=a.mp4 b=b.mp4
                truncate -s $(($(stat -c %s cut.tar) * 3 / 4)) cut.tar; vt decode -i cut.tar -o cut/; echo $?; ls -A cut
                vt decode -i cut.tar -o 'cut/x/y/'; echo $?; vt decode -i s/shard-000000.tar -o x/ --name a; echo $?
                vt decode -i s/shard-000000.tar -o x.mp4 --resume; echo $?; vt decode -i /dev/null -o x/; echo $?
                vt decode -i s/shard-000000.tar -o x/ -f nosuch; echo $?
                """)
        #expect(
            result.text.split(separator: "\n") == [
                "3 1", "b.mp4 c.mp4 3", "a.mp4", "1", "2", "2", "3", "2",
            ], "\(result.text)\n\(result.errors)")
    }
}
