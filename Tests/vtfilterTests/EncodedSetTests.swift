import Glibc
import LatentIO
import Testing
import VidTwinTestSupport
import vtfilter

/// Videos in two folders, two of them with one name, two that differ in their ending, one that is cut.
private let videos = """
    vt() { vtfilter encode -q --model $GOLDENS/tiny --threads 1 "$@"; }
    mkdir -p v/a v/b
    for i in 1 2 3 4 5; do
      ffmpeg -v error -f lavfi -i testsrc2=s=64x64:r=25:d=3 -ss 0.$i -frames:v $((12 + 8 * i)) v/a/$i.mp4
    done
    cp v/a/1.mp4 v/b/1.mp4; cp v/a/1.mp4 v/a/1.mov; head -c 3000 v/a/2.mp4 > v/a/cut.mp4
    echo words > v/a/1.txt; echo '{"a": 1}' > v/a/1.json
    keys() { for f in "$@"; do tar tf "$f"; done | sed 's/\\..*//' | uniq; }

    """

@Suite struct EncodedSetTests {
    @Test func `a set is its videos, whole, in shards, under keys of their own`() {
        let result = Shell.run(
            videos + """
                vt --data-dir v -o 'out/s-%03d.tar' --shard-size 5 --passthrough txt,json 2> /dev/null; echo $?
                ls out | tr '\\n' ' '; echo
                keys out/s-*.tar | wc -l; keys out/s-*.tar | sort -u | wc -l
                grep -c cut out/failed.csv; grep -vc cut out/failed.csv
                # The same numbers as those of the video alone.
                vt -i v/a/3.mp4 --name x | tar x; mkdir all; for f in out/s-*.tar; do tar xf $f -C all; done
                for kind in structure dynamics_x dynamics_y; do
                  cmp x_000001.$kind.npy all/a_3-*_000001.$kind.npy && echo same
                done
                cat all/b_1-*.txt all/a_1-*_000000.txt all/a_1-*_000001.source.json | sort | uniq -c
                vtfilter decode -q --model $GOLDENS/tiny -i out/s-002.tar --name "$(keys out/s-002.tar | sed -n "1s/_0*$//p")" -o /dev/null --output-format nut; echo $?
                """)
        // 12 + 8 i frames are 2, 2, 3, 3 and 4 clips, and 2 of each copy of the first: 6, 6 and 6.
        #expect(
            result.text.split(separator: "\n").map {
                $0.split(separator: " ").joined(separator: " ")
            }
                == [
                    "3",
                    "failed.csv s-000.tar s-001.tar s-002.tar stats.json videos-1-of-1.jsonl",
                    "18", "18", "1", "1", "same", "same", "same", "2 words", "2 {\"a\": 1}", "0",
                ], "\(result.text)\n\(result.errors)")
    }

    @Test func `statistics are those of the numbers, whatever processes made them`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let result = Shell.run(
            videos + """
                rm v/a/cut.mp4
                vt --data-dir v -o one/; echo $?
                for i in 3 1 2; do vt --data-dir v -o three/ --shard $i/3; done; echo $?
                test -e three/stats.json; echo $?
                rm three/videos-2-of-3.jsonl; vt --merge -o three/ 2> /dev/null; echo $?
                OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=3 vt -y --data-dir v -o three/ --shard auto
                vt --merge -o three/; echo $?; cmp one/stats.json three/stats.json; echo $?
                cmp <(keys one/*.tar | sort) <(keys three/*.tar | sort); echo $?
                """, in: folder)
        #expect(
            result.text.split(separator: "\n") == ["0", "0", "1", "3", "0", "0", "0"],
            "\(result.text)\n\(result.errors)")
        var values: [Double] = []
        let descriptor = open("\(folder)/one/shard-000000.tar", O_RDONLY)
        defer { close(descriptor) }
        let reader = LatentReader(descriptor: descriptor, place: "shard")
        while let sample = try reader.next() {
            let array = try #require(sample.arrays["structure"])
            let channels = array.shape.last ?? 1
            values += stride(from: 3, to: array.values.count, by: channels).map {
                Double(array.values[$0])
            }
        }
        let mean = values.reduce(0, +) / Double(values.count)
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        let found = Shell.run(
            """
            python3 -c "import json; s = json.load(open('one/stats.json'))['latents']['structure']
            print(s['count'], s['mean'][3], s['deviation'][3])"
            """, in: folder
        ).text.split(whereSeparator: \.isWhitespace).compactMap { Double($0) }
        let expected = [
            Double(values.count), mean, (squares / Double(values.count)).squareRoot(),
        ]
        #expect(
            zip(found, expected).allSatisfy { abs($0 - $1) <= 1e-12 * abs($1) } && found.count == 3)
    }

    @Test func `what is finished is not done again, by the video and not by its number`() {
        let result = Shell.run(
            videos + """
                rm v/a/cut.mp4; go() { vt --data-dir v -o out/ --shard-size 3 "$@"; }
                go; sha256sum out/*.tar > before; go 2> words; echo $? $(grep -c resume words)
                cp v/a/1.mp4 v/0.mp4; go --resume; echo $?; sha256sum -c --quiet before; echo $?
                keys out/*.tar | sort | uniq -d | wc -l; keys out/shard-*.tar | grep -c '^0-'
                touch v/a/3.mp4; go --resume 2> words; echo $? $(grep -c 'a/3.mp4.*changed' words)
                go --resume --part structure 2> words; echo $? $(grep -c 'other options' words)
                touch -d @0 v/a/3.mp4; go -y; echo $?; keys out/*.tar | sort | uniq -d | wc -l
                """)
        #expect(
            result.text.split(separator: "\n")
                == ["2 1", "0", "0", "0", "2", "3 1", "2 1", "0", "0"],
            "\(result.text)\n\(result.errors)")
    }

    @Test func `killed at any moment, no video is lost or there twice`() {
        let result = Shell.run(
            videos + """
                rm v/a/cut.mp4
                for signal in 9 9 9 9 15 15; do
                  (exec vtfilter encode -q --model $GOLDENS/tiny --threads 1 --data-dir v -o out/ \\
                    --shard-size 2 --resume) & p=$!
                  sleep 0.0$((RANDOM % 8 + 1)); kill -$signal $p; wait $p
                done 2> /dev/null
                vt --data-dir v -o out/ --shard-size 2 --resume; echo $?
                keys out/shard-*.tar | wc -l; keys out/shard-*.tar | sort | uniq -d | wc -l
                ls -A out | grep -c tmp; vt --data-dir v -o whole/ --shard-size 2
                cmp out/stats.json whole/stats.json; echo $?
                """)
        #expect(
            result.text.split(separator: "\n") == ["0", "18", "0", "0", "0"],
            "\(result.text)\n\(result.errors)")
    }

    @Test func `a part is one process's, as long as it lives`() {
        let result = Shell.run(
            videos + """
                rm v/a/cut.mp4
                # Stopped in the middle, it holds its part; killed, it does not.
                (exec vtfilter encode -q --model $GOLDENS/tiny --data-dir v -o out/ --shard 1/2 --shard-size 1) & p=$!
                while [ ! -e out/shard-000000.tar ]; do sleep 0.01; done; kill -STOP $p
                for options in '--shard 1/2 --resume' '--shard 1/2 -y' '--shard 1/3' '--resume' '-y'; do
                  vt --data-dir v -o out/ $options 2> words; echo $? $(grep -c 'another process is writing part 1/2' words)
                done
                vt --merge -o out/ 2> words; echo $? $(grep -c 'still writing part 1/2' words)
                vt --data-dir v -o out/ --shard 2/2; echo $?
                kill -9 $p; wait $p 2> /dev/null; vt --data-dir v -o out/ --shard 1/2 --resume; echo $?
                vt --merge -o out/; keys out/shard-*.tar | wc -l; keys out/shard-*.tar | sort | uniq -d | wc -l; ls -A out | grep -c lock
                # Started at once, one of them does it.
                (for i in 1 2 3 4; do (vt --data-dir v -o race/ 2> /dev/null; echo $?) & done; wait) | sort | tr '\\n' ' '
                keys race/shard-*.tar | wc -l
                """)
        #expect(
            result.text.split(separator: "\n") == [
                "2 1", "2 1", "2 1", "2 1", "2 1", "2 1", "0", "0", "18", "0", "0", "0 2 2 2 18",
            ], "\(result.text)\n\(result.errors)")
    }

    @Test func `what an earlier run left is told apart, and nothing of it stays with -y`() {
        let result = Shell.run(
            videos + """
                rm v/a/cut.mp4; go() { vt --data-dir v -o out/ --shard-size 3 "$@" 2> words; echo "$? $(tail -n 1 words)"; }
                for i in 1 2 3; do go --shard $i/3; done
                go --shard 2/3; go --shard 1/2; go --shard 1/2 -y; go
                vt --merge -o out/; go -y; grep videos out/stats.json; ls -A out | tr '\\n' ' '; echo
                go; rm out/videos*; go
                """)
        let lines = result.text.split(separator: "\n").map {
            $0.split(separator: " ").joined(separator: " ")
        }
        let words = [
            "0", "0", "0", "2 lists the videos", "2 one of 3 parts", "2 set of 3 parts",
            "2 one of 3 parts", "0", "\"videos\" : 7",
            "failed.csv shard-000000.tar shard-000001.tar shard-000002.tar shard-000003.tar "
                + "shard-000004.tar stats.json videos-1-of-1.jsonl",
            "2 lists the videos", "2 shard-000000.tar exists, and videos-1-of-1.jsonl",
        ]
        #expect(lines.count == words.count, "\(result.text)\n\(result.errors)")
        for (line, word) in zip(lines, words) {
            #expect(
                line == word || line.first == word.first && line.contains(word.dropFirst(2)),
                "\(line)")
        }
    }

    @Test func `contradictions are usage errors`() {
        let result = Shell.run(
            """
            mkdir v; vt() { vtfilter encode -q "$@" 2> words; echo $? $(wc -l < words); }
            vt --data-dir v -o out.tar; vt --data-dir v -o -; vt --data-dir v -o 'out/s-%06d.tar' -i x
            vt --data-dir v -o out/ --passthrough npy; vt --data-dir v -o out/ --shard auto
            vt --data-dir v -o out/ --name x; vt --resume -i a.mp4; vt --data-dir v -o out/ --shard 0/3
            vt --merge -o out/; vt --data-dir v -o out/; ls
            """)
        let lines = result.text.split(separator: "\n").map { String($0.prefix(1)) }
        #expect(
            lines == ["2", "2", "2", "2", "3", "2", "2", "2", "3", "3", "v", "w"],
            "\(result.text)\n\(result.errors)")
    }

    @Test func `a process's part, as MPI and Slurm number it`() throws {
        func shard(_ variables: [String: String]) throws -> String {
            try ShardChoice.automatic.shard { variables[$0] }.description
        }
        #expect(try shard(["PMI_RANK": "0", "PMI_SIZE": "2"]) == "1/2")
        #expect(try shard(["SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4"]) == "4/4")
        let array = [
            "SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "5",
            "SLURM_ARRAY_TASK_MAX": "7", "SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2",
        ]
        #expect(try shard(array) == "6/6")
        // mpirun in an element of an array; a job's script; numbers that overflow.
        let mpi = ["OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "3"]
        #expect(try shard(array.merging(mpi) { $1 }) == "9/9")
        #expect(try shard(["SLURM_PROCID": "0", "SLURM_JOB_ID": "7"]) == "1/1")
        let large = [
            "SLURM_ARRAY_TASK_MIN": "\(Int32.min)", "SLURM_ARRAY_TASK_COUNT": "\(Int32.max)",
            "SLURM_ARRAY_TASK_MAX": "\(Int32.max)", "SLURM_STEP_NUM_TASKS": "\(Int32.max)",
        ]
        #expect(throws: (any Error).self) { try shard(array.merging(large) { $1 }) }
        #expect(throws: (any Error).self) { try shard(["SLURM_ARRAY_TASK_COUNT": "3"]) }
        #expect(throws: (any Error).self) {
            try shard(array.merging(["SLURM_ARRAY_TASK_MAX": "9"]) { $1 })
        }
        #expect(throws: (any Error).self) { try shard(["PMI_RANK": "2", "PMI_SIZE": "2"]) }
    }
}
