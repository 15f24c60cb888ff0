import Glibc
import Testing
import VidTwinTestSupport

struct PrepareTests {
    @Test func `a set is looked through once, and what is broken is named`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let result = Shell.run(
            """
            mkdir -p v/inner
            ffmpeg -v error -f lavfi -i testsrc=s=64x48:r=10:d=2 -c:v ffv1 v/moves.mkv
            ffmpeg -v error -f lavfi -i color=red:s=32x32:r=25:d=1 -c:v ffv1 'v/inner/still, one.mkv'
            echo junk > v/broken.mp4; echo words > v/readme.txt
            vtfilter prepare --data-dir v -o meta.csv 2> words; echo $?
            cat meta.csv; grep -c broken.mp4 words; ls meta*
            vtfilter prepare --data-dir v -o meta.csv 2> words; echo $?
            """, in: folder)
        let lines = result.text.split(separator: "\n").map(String.init)
        #expect(lines[0] == "3")
        #expect(lines[1] == "videos,seconds,frames,size,rate,motion")
        #expect(lines[2] == "\"inner/still, one.mkv\",1,25,32x32,25,0")
        #expect(lines[3].hasPrefix("moves.mkv,2,20,64x48,10,"), "\(lines[3])")
        let motion = Double(lines[3].split(separator: ",")[5]) ?? 0
        #expect(motion > 0.5 && motion < 100)
        #expect(Array(lines[4...]) == ["1", "meta.csv", "2"], "\(lines)")  // no leftovers; -y
    }

    @Test func `a look that was stopped goes on, and lists stay where they are`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let result = Shell.run(
            """
            mkdir v
            for n in $(seq 12); do
              ffmpeg -v error -f lavfi -i testsrc=s=32x32:r=10:d=1 -c:v ffv1 v/$n.mkv
            done
            vtfilter prepare --data-dir v -o a.csv --validation 0.4 2>/dev/null || exit
            # What an earlier look has is not looked at again: this one's row is not the truth.
            printf '3.mkv,9,9,9x9,9,9\\n5.mkv,1,1' > b.csv.part
            vtfilter prepare --data-dir v -o b.csv --validation 0.4 2>/dev/null || exit
            sort -u a.csv a.validation.csv | wc -l
            diff <(sort b.csv b.validation.csv) <(sort a.csv a.validation.csv) | grep -c mkv
            for n in $(seq 13 20); do cp v/1.mkv v/$n.mkv; done
            vtfilter prepare --data-dir v -o c.csv --validation 0.4 2>/dev/null || exit
            comm -23 <(sort a.validation.csv) <(sort c.validation.csv) | wc -l
            tail -n +2 a.validation.csv | wc -l
            """, in: folder)
        let counts = result.text.split(separator: "\n").compactMap { Int($0) }
        #expect(counts.count == 4, "\(result.text) \(result.errors)")
        #expect(counts[0] == 13 && counts[1] == 2 && counts[2] == 0, "\(counts)")
        #expect((1...11).contains(counts[3]))
    }
}
