import Testing
import VidTwinTestSupport

@Suite struct `Limits on memory` {
    @Test func `any limit on address space gives words and a status, and leaves no file`() {
        let result = Shell.run(
            """
            export SWIFT_BACKTRACE=enable=no
            ffmpeg -v error -i $MEDIA/city.mp4 -frames:v 20 -c:v libx264 in.mp4
            least=100
            until (ulimit -v ${least}000; vtfilter --version > /dev/null 2>&1); do least=$((least + 25)); done
            for more in 0 10 20 30 40 60 80 100 150 200 250 300 350 400 500 600 1500; do
              limit=$((least + more))
              (ulimit -v ${limit}000; exec timeout 60 vtfilter reconstruct -q -i in.mp4 -o out.mp4) 2> err
              status=$?
              left=$(ls -A | grep -c -v -x -e in.mp4 -e out.mp4 -e err)
              case "$status $left" in
                "0 0") [ -e out.mp4 ] && rm out.mp4 && echo done ;;
                "1 0" | "4 0") [ ! -e out.mp4 ] && [ -s err ] && ! grep -q Fatal err && echo refused ;;
                *) echo "$limit MB: status $status, $left files left: $(head -n 1 err)" ;;
              esac
            done | sort | uniq -c | tr -s ' ' | tr '\\n' ';'
            """, seconds: 200)
        let counts = result.text.split(separator: ";").map { $0.split(separator: " ") }
        #expect(counts.count == 2, "\(result.text) \(result.errors)")
        #expect(counts.allSatisfy { ["done", "refused"].contains($0.last) }, "\(result.text)")
        #expect(counts.reduce(0) { $0 + (Int($1.first ?? "") ?? 0) } == 17, "\(result.text)")
    }
}
