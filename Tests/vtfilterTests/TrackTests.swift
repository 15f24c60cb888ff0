import Testing
import VidTwinTestSupport

/// `a.mkv`: two sound tracks, subtitles, chapters, tags, an attachment; 10 frames at 25 a second.
private let inputs = """
    printf '1\\n00:00:00,000 --> 00:00:00,300\\nhello\\n' > s.srt
    printf ';FFMETADATA1\\ntitle=My title\\nweird=odd\\n[CHAPTER]\\nTIMEBASE=1/1000\\nSTART=0\\nEND=200\\ntitle=one\\n[CHAPTER]\\nTIMEBASE=1/1000\\nSTART=200\\nEND=400\\ntitle=two\\n' > c.txt
    echo font > f.ttf
    ffmpeg -v error -f lavfi -i testsrc2=s=64x64:r=25:d=0.4 -f lavfi -i sine=d=0.4 \
      -f lavfi -i sine=440:d=0.4 -i s.srt -i c.txt -map 0 -map 1 -map 2 -map 3 -map_metadata 4 \
      -map_chapters 4 -pix_fmt yuv420p -c:v libx264 -c:a aac -c:s srt -metadata:s:a:0 language=eng \
      -metadata:s:a:1 language=jpn -metadata:s:a:1 title=Second -disposition:a:1 +forced+comment \
      -attach f.ttf -metadata:s:t mimetype=font/ttf a.mkv
    what() {
      ffprobe -v error -count_packets -show_entries \
        format_tags=title,weird:stream=codec_name,nb_read_packets:stream_tags=language,title,filename:stream_disposition=forced,comment:chapter=start_time,end_time:chapter_tags=title \
        -of compact=p=0:nk=0 $1 | sed 's/tag://g;s/disposition://g;s/WEIRD/weird/' | sort
    }

    """

@Suite struct `Tracks beside the video` {
    @Test func `Matroska keeps everything`() {
        let result = Shell.run(
            inputs + """
                vtfilter reconstruct -i a.mkv -o o.mkv 2> words
                what a.mkv > a; what o.mkv > o; diff a o && echo same; wc -l < o
                grep -v 'scaled and cropped' words
                vtfilter reconstruct -q -i a.mkv --output-format matroska -o - < /dev/null | cat > p.mkv
                what p.mkv | diff a - && echo same
                """)
        #expect(result.text == "same\n8\nsame", "\(result.text)\n\(result.errors)")
    }

    @Test(arguments: [
        (
            "mp4",
            "subtitle track 1 (subrip), attachment track 1 (f.ttf), metadata (WEIRD), titles of tracks",
            "codec_name=aac|nb_read_packets=19|comment=1|forced=1|language=jpn"
        ),
        (
            "nut", "subtitle track 1 (subrip), attachment track 1 (f.ttf), what tracks are for",
            "codec_name=aac|nb_read_packets=19|comment=1|forced=0|language=jpn|title=Second"
        ),
        (
            "avi",
            "subtitle track 1 (subrip), attachment track 1 (f.ttf), metadata (WEIRD), chapters, "
                + "languages of tracks, what tracks are for",
            // No times: the encoder's first packet, which ends where the frames begin, is left out.
            "codec_name=aac|nb_read_packets=18|comment=0|forced=0|title=Second"
        ),
        (
            "webm",
            "audio track 1 (aac, eng), audio track 2 (aac, jpn), subtitle track 1 (subrip), "
                + "attachment track 1 (f.ttf); --acodec opus encodes sound anew", "start_time=0.200"
        ),
        (
            "flv",
            "audio track 2 (aac, jpn), subtitle track 1 (subrip), attachment track 1 (f.ttf), "
                + "chapters, languages of tracks; --acodec mp3 encodes sound anew",
            "title=My title|weird=odd"
        ),
    ])
    func `another container keeps what it can, and what is lost is named`(
        _ ending: String, _ lost: String, _ kept: String
    ) {
        let result = Shell.run(
            inputs + """
                vtfilter reconstruct -i a.mkv -o o.\(ending) 2>&1 | grep -o 'cannot hold it as it is: .*'
                what o.\(ending)
                """)
        #expect(result.text.hasPrefix("cannot hold it as it is: \(lost)\n"), "\(result.text)")
        #expect(result.text.contains(kept), "\(result.text)")
    }

    @Test func `NUT to NUT through a pipe keeps tracks, chapters and title`() {
        let result = Shell.run(
            inputs + """
                ffmpeg -v error -i a.mkv -map 0:v -map 0:a -c:a copy -c:v rawvideo a.nut
                vtfilter reconstruct < a.nut > o.nut 2> words
                what a.nut > a; what o.nut > o; diff a o && echo same; wc -l < o; grep -c 'left out' words
                """)
        #expect(result.text == "same\n6\n0", "\(result.text)\n\(result.errors)")
    }

    @Test func `sound that a container refuses is left out with a word, or encoded anew`() {
        let result = Shell.run(
            """
            ffmpeg -v error -f lavfi -i testsrc2=s=64x64:r=25:d=2 -f lavfi -i sine=d=2:r=44100 \
              -pix_fmt yuv420p -c:v libx264 -c:a flac -metadata:s:a language=eng a.mkv
            vtfilter reconstruct -i a.mkv -o no.mp4 2>&1 | grep -o 'audio track.*'
            what() { ffprobe -v error -show_entries stream=codec_name,sample_rate,duration:stream_tags=language \
              -select_streams a -of csv=p=0 $1; }
            what no.mp4
            vtfilter reconstruct -q -i a.mkv --acodec aac -o o.mp4; what o.mp4
            vtfilter reconstruct -q -i a.mkv --acodec libopus -o o.webm; what o.webm
            vtfilter reconstruct -q -i a.mkv --acodec nonsense -o x.mp4; echo $?
            vtfilter reconstruct -q -i a.mkv --acodec aac -o x.webm; echo $?
            ffmpeg -v error -i o.mp4 -f s16le -ac 1 - | python3 -c "
            import sys, array
            a = array.array('h', sys.stdin.buffer.read())
            z = sum(1 for x, y in zip(a, a[1:]) if x < 0 <= y)
            print('yes' if abs(z / (len(a) / 44100) - 440) < 4 else z)"
            """)
        #expect(
            result.text.split(separator: "\n").map(String.init) == [
                "audio track 1 (flac, eng); --acodec aac encodes sound anew",
                "aac,44100,2.000000,eng", "opus,48000,N/A,eng", "2", "2", "yes",
            ], "\(result.text)\n\(result.errors)")
    }

    @Test func `mp4 to a pipe is written in fragments`() {
        let result = Shell.run(
            inputs + """
                vtfilter reconstruct -i a.mkv --output-format mp4 2> words | cat > o.mp4
                grep -c 'in fragments' words
                ffprobe -v error -count_frames -show_entries stream=nb_read_frames -of csv=p=0 o.mp4
                """)
        #expect(result.text == "1\n10\n19\n19\nN/A", "\(result.text)\n\(result.errors)")
    }

    @Test func `formats of many files and unknown endings are refused, and nothing is written`() {
        let result = Shell.run(
            inputs + """
                rm s.srt c.txt f.ttf
                for o in x.m3u8 x.mpd x.mp5 x x.txt.; do vtfilter reconstruct -q -i a.mkv -o $o; echo $?; done
                for f in hls dash segment tee sap rtp null fifo; do
                  vtfilter reconstruct -q -i a.mkv --output-format $f -o x; echo $?
                done
                ls -A
                """)
        #expect(
            result.text == Array(repeating: "2", count: 13).joined(separator: "\n") + "\na.mkv",
            "\(result.text)\n\(result.errors)")
    }
}
