import Testing
import VidTwinTestSupport

/// Two videos whose index is at the end, with captions and labels.
private let videos = """
    vt() { vtfilter encode -q --model $GOLDENS/tiny --threads 1 "$@"; }
    mkdir w t; cd w
    ffmpeg -v error -f lavfi -i testsrc2=s=64x64:r=25:d=3 -frames:v 20 k1.mp4
    ffmpeg -v error -f lavfi -i testsrc=s=96x64:r=30:d=3 -frames:v 33 k2.mov
    echo one > k1.txt; echo '{"c": 1}' > k1.json; echo two > k2.txt; echo 7 > k2.cls; mkdir f; cp k1.* f
    cd ..
    keys() { for f in "$@"; do tar tf "$f"; done | sed 's/_[0-9]*[.].*//' | sort -u | tr '\\n' ' '; echo; }

    """

@Suite struct `Videos in tar streams` {
    @Test func `they are encoded as files are, and what their samples have goes along`() {
        let result = Shell.run(
            videos + """
                (cd w; tar c k1.json k1.mp4 k1.txt k2.cls k2.mov k2.txt > ../t/a.tar
                  tar cz f/k1.txt f/k1.mp4 k2.mov > ../t/b.tar.gz; cp k2.mov ../t/plain.mov)
                vt --data-dir t -o out/ --passthrough txt,json,cls; echo $?; keys out/*.tar
                mkdir x; tar xf out/shard-000000.tar -C x
                for name in k1.mp4 k2.mov; do
                  vt -i w/$name --name y | tar x
                  for kind in structure dynamics_x dynamics_y; do
                    for f in x/*_tar_${name%.*}-*_000001.$kind.npy; do cmp y_000001.$kind.npy "$f" && echo same; done
                  done
                done | sort | uniq -c
                cat x/a_tar_k1*_000000.txt x/a_tar_k1*_000001.source.json x/a_tar_k2*_000002.cls x/b_tar_gz_f_k1*_000000.txt
                ls x/b_tar_gz_k2*txt x/plain*txt 2> /dev/null | wc -l
                vtfilter decode -q --model $GOLDENS/tiny -i out/shard-000000.tar -o d/; find d -type f | sort
                """)
        #expect(
            result.text.split(separator: "\n").map {
                $0.split(separator: " ").map { $0.split(separator: "-")[0] }.joined(separator: " ")
            } == [
                "0", "a_tar_k1 a_tar_k2 b_tar_gz_f_k1 b_tar_gz_k2 plain", "6 same", "one",
                "{\"c\": 1}", "7", "one", "0", "d/a.tar/k1.mp4", "d/a.tar/k2.mov",
                "d/b.tar.gz/f/k1.mp4", "d/b.tar.gz/k2.mov", "d/plain.mov",
            ], "\(result.text)\n\(result.errors)")
    }

    @Test func `what is done is not read again, and faults are those of a video or of its tar`() {
        let result = Shell.run(
            videos + """
                head -c 900 w/k1.mp4 > w/z.mp4; (cd w; tar cf ../t/a.tar k1.mp4 k1.txt z.mp4)
                vt --data-dir t -o out/ 2> /dev/null; echo $?; sed -n '2,$s/,.*//p' out/failed.csv
                sha256sum out/*.tar > before; (cd w; tar rf ../t/a.tar k2.mov)
                vt --data-dir t -o out/ --resume 2> /dev/null; echo $?; sha256sum -c --quiet before; keys out/*.tar
                touch -d @9 w/k1.mp4; (cd w; tar cf ../t/a.tar k1.mp4 k2.mov; tar cf ../t/none.tar k1.txt)
                vt --data-dir t -o out/ --resume 2> words; echo $? $(grep -c 'k1.mp4.*changed' words)
                rm t/*; (cd w; tar cf ../t/a.tar k1.mp4 k2.mov); truncate -s $((($(stat -c %s w/k1.mp4) + 511) / 512 * 512 + 2000)) t/a.tar
                vtfilter encode --model $GOLDENS/tiny --data-dir t -o cut/ 2> words; echo $? $(grep -c truncated words)
                keys cut/*.tar
                # A video that was added again, and links, whose bytes are elsewhere.
                (cd w; ln k1.mp4 hard.mp4; ln -s k1.mp4 soft.mp4; ln k1.txt note.txt; rm -f ../t/*
                  tar cf ../t/a.tar k1.mp4 hard.mp4 soft.mp4 note.txt; cp k2.mov k1.mp4; tar rf ../t/a.tar k1.mp4)
                vt --data-dir t -o links/ 2> /dev/null; echo $?; keys links/*.tar; sed -n '2,$s/,.*//p' links/failed.csv | tr '\\n' ' '; echo
                # A header that promises a terabyte; a folder without room.
                python3 - t/a.tar <<'P'
                import sys, tarfile
                t = tarfile.TarInfo("big.mp4"); t.size = 1 << 40
                open(sys.argv[1], "wb").write(t.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
                P
                vt --data-dir t -o big/ 2> words; echo $? $(grep -c 'at most .* 64 GB' words); ls big/*.tar 2> /dev/null
                (cd w; tar cf ../t/a.tar k1.mp4); TMPDIR=$PWD/nowhere vt --data-dir t -o no/ 2> words; echo $? $(grep -c nowhere words)
                # Shards beside their videos are not taken for some.
                vt --data-dir t -o t/; vt --data-dir t -o t/ --resume; echo $?; ls -A t | tr '\\n' ' '
                """)
        #expect(
            result.text.split(separator: "\n").map {
                $0.split(separator: " ").map { $0.split(separator: "-")[0] }.joined(separator: " ")
            } == [
                "3", "\"a.tar/z.mp4\"", "3", "a_tar_k1 a_tar_k2", "3 1", "3 1", "a_tar_k1", "3",
                "a_tar_k1", "\"a.tar/hard.mp4\" \"a.tar/k1.mp4\" \"a.tar/soft.mp4\"", "3 1",
                "1 1", "0", "a.tar failed.csv shard stats.json videos",
            ], "\(result.text)\n\(result.errors)")
    }
}
