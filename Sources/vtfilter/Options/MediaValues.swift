package import VideoIO

extension PictureSize: OptionValue {
    package static var expected: String { "a size such as 224x224" }

    package init?(option text: String) { self.init(text) }
}

extension Rational: OptionValue {
    package static var expected: String { "a rate such as 25 or 24000/1001" }

    package init?(option text: String) { self.init(frameRate: text) }
}
