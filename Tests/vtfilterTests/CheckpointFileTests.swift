import Testing
import VidTwinTestSupport

private let tiny = "--config $GOLDENS/tiny/config.yaml"

@Suite struct `Checkpoints on the command line` {
    @Test func `small checkpoints that ask for much are refused within bounds`() {
        let result = Shell.run(
            """
            python3 '\(Fixtures.folder)/scripts/pickle_bombs.py' vtfilter info \(tiny) --ckpt
            """, seconds: 300)
        let lines = result.text.split(separator: "\n")
        #expect(lines.count == 11 && lines.allSatisfy { $0.hasSuffix(" 4 bounded") }, "\(result)")
    }
}
