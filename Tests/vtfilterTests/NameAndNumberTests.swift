import Testing
import vtfilter

@Suite struct `Names and numbers as they are written` {
    @Test(arguments: [
        (1.005, 2, "1.00"), (-0.5, 0, "-1"), (-0.004, 2, "0.00"), (2, 0, "2"), (0.0999, 3, "0.100"),
        (999_999_999_999.4, 0, "999999999999"), (1e12, 3, "1000000000000.0"), (.nan, 2, "nan"),
        (-.infinity, 1, "-inf"),
    ])
    func `digits after the point`(_ value: Double, _ digits: Int, _ text: String) {
        #expect(Clock.decimal(value, digits: digits) == text)
    }

    @Test(arguments: [
        ("a.mp4", "\"a.mp4\""), ("a\"b,c", "\"a\"\"b,c\""), ("=1+1", "\"'=1+1\""),
        ("@x", "\"'@x\""), ("a=b", "\"a=b\""), ("", "\"\""),
    ])
    func `cells of a table`(_ text: String, _ cell: String) {
        #expect(CSVText.cell(text) == cell)
    }

    @Test func `samples are named after their video`() {
        #expect(SampleName(ofVideo: "folder/clip.mp4").key(clip: 7) == "clip_000007")
        #expect(SampleName(ofVideo: "-").key(clip: 1_234_567) == "clip_1234567")
        #expect(SampleName(ofVideo: ".hidden").text != SampleName(ofVideo: "_hidden").text)
        #expect(SampleName(ofVideo: "été.mp4").text == "été")
        #expect(SampleName(chosen: "a.b/c").text == "a_b_c")
        #expect(SampleName(chosen: "").text == "clip")
        let names = ["clip.001.mp4", "clip.002.mp4", "clip 001.mp4", "clip_001.mp4"]
        #expect(Set(names.map { SampleName(ofVideo: $0).text }).count == names.count)
        for letter in ["x", "é", "好", "👍"] {
            let long = SampleName(ofVideo: String(repeating: letter, count: 200) + ".mp4")
            #expect(long.text.utf8.count <= 60 && !long.text.contains("."))
        }
    }
}
