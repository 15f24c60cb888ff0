import Testing
import VideoIO
import vtfilter

@Suite struct `Values of options` {
    /// What `check` says of a text.
    private func words<Value: OptionValue>(_ text: String, _ type: Value.Type) -> String? {
        do {
            try Parsed<Value>(argument: text).check("--option")
            return nil
        } catch {
            return "\(error)"
        }
    }

    @Test func `sizes and rates are ffmpeg's`() {
        #expect(Parsed<PictureSize>(argument: "640x360").value?.description == "640x360")
        #expect(Parsed<PictureSize>(argument: "hd720").value?.description == "1280x720")
        #expect(Parsed<Rational>(argument: "ntsc").value == Rational(30000, 1001))
        #expect(Parsed<Rational>(argument: "24000/1001").value == Rational(24000, 1001))
        for text in ["", "640", "640by360", "-3x4", "0x0"] {
            #expect(
                words(text, PictureSize.self)
                    == "--option \(text): expected a size such as 224x224")
        }
        for text in ["", "x", "0", "-25", "1/0"] {
            #expect(
                words(text, Rational.self)
                    == "--option \(text): expected a rate such as 25 or 24000/1001")
        }
    }

    @Test func `frames are chosen up to 1000 times a second, or all`() {
        #expect(Parsed<SampleRate>(argument: "1000").value?.rate == Rational(1000, 1))
        #expect(words("1001", SampleRate.self) == "--option 1001: expected a rate up to 1000")
        #expect(words("source", SampleRate.self) != nil)
        #expect(Parsed<EvaluatedFrames>(argument: "25").value?.rate == Rational(25, 1))
        let all = Parsed<EvaluatedFrames>(argument: "source").value
        #expect(all != nil && all?.rate == nil)
        #expect(
            words("Source", EvaluatedFrames.self)
                == "--option Source: expected a rate up to 1000, or source")
    }

    @Test func `shards count from 1`() throws {
        let shard = try #require(Parsed<Shard>(argument: "3/12").value)
        #expect(shard.index == 3 && shard.count == 12 && shard.description == "3/12")
        for text in ["0/3", "4/3", "3", "1/2/3", "+1/2", "01/2", "1/ 2", "", "1/1000001"] {
            #expect(
                words(text, Shard.self) == "--option \(text): expected i/n with i from 1 to n")
        }
    }

    @Test func `threads`() {
        #expect(Parsed<ThreadCount>(argument: "1024").value?.count == 1024)
        for text in ["0", "1025", "-1", "two", "99999999999999999999"] {
            #expect(words(text, ThreadCount.self) == "--option \(text): expected 1 to 1024")
        }
    }
}
