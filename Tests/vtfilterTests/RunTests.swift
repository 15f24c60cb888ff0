import Glibc
import TensorFiles
import Testing
import VidTwin
import VidTwinTestSupport

/// Runs that are stopped, killed, or cannot go on.
struct RunTests {
    private static let validating =
        "--val-data-dir . --val-meta val.csv lightning.trainer.val_check_interval=3 "
        + "lightning.modelcheckpoint.params.every_n_train_steps=4 "

    private func golden(in folder: String) throws -> TrainTests.GoldenRun {
        let run = try TrainTests.GoldenRun("causal", seed: 1, accumulate: 1, in: folder)
        Fixtures.write(Array("videos\n0.mkv\n7.mkv\n3.mkv\n".utf8), to: "\(folder)/val.csv")
        return run
    }

    /// The bytes that a run leaves.
    private func results(_ folder: String) throws -> (metrics: [[String: Double]], sums: String) {
        (
            TrainTests.steady(try TrainTests.metrics(folder)),
            Shell.run(
                "cd logs/*/ && sha256sum checkpoints/*.ckpt checkpoints/*.safetensors "
                    + "model.safetensors config.yaml", in: folder
            ).text
        )
    }

    @Test func `a run killed at any moment goes on to the bytes of one that was not`() throws {
        let (whole, killed) = (Fixtures.temporaryFolder(), Fixtures.temporaryFolder())
        defer {
            Fixtures.remove(whole)
            Fixtures.remove(killed)
        }
        let command = try golden(in: whole).command + RunTests.validating + "--steps 10 "
        let first = Shell.run(command + "--threads 2", in: whole)
        #expect(first.status == 0, "\(first.errors)")
        let again = try golden(in: killed).command + RunTests.validating + "--steps 10 "
        let result = Shell.run(
            """
            for lines in 1 3 4 8; do
              \(again) --threads 1 2>> words &
              for i in $(seq 600); do
                [ "$(cat logs/*/metrics.jsonl 2>/dev/null | wc -l)" -ge $lines ] && break
                kill -0 $! 2>/dev/null || break
                sleep 0.02
              done
              kill -KILL $! 2>/dev/null; wait $! 2>/dev/null
            done
            \(again) --threads 1 2>> words || exit
            grep -c 'goes on from' words; ls logs | wc -l; ls -A logs/*/ logs/*/checkpoints | grep -c tmp
            exit 0
            """, in: killed)
        #expect(result.status == 0, "\(result.errors)")
        let counts = result.text.split(separator: "\n").map(String.init)
        #expect(Int(counts[0]) ?? 0 >= 1 && counts[1...] == ["1", "0"], "\(counts)")
        let (a, b) = (try results(whole), try results(killed))
        #expect(a.metrics == b.metrics)
        #expect(a.sums == b.sums)
        #expect(a.metrics.count == 13)  // ten batches, three validations
        let validation = a.metrics.filter { $0["val/rec_loss"] != nil }
        #expect(validation.allSatisfy { $0["val/psnr"] ?? 0 > 1 && $0["val_ema/rec_loss"] != nil })
        // Three of five named ones are kept; the model is that of the lowest val/rec_loss.
        #expect(a.sums.split(separator: "\n").count { $0.contains("epoch=") } == 6)
    }

    @Test func `SIGTERM saves and says how to go on, SIGUSR1 saves`() throws {
        let (whole, stopped) = (Fixtures.temporaryFolder(), Fixtures.temporaryFolder())
        defer {
            Fixtures.remove(whole)
            Fixtures.remove(stopped)
        }
        let first = Shell.run(try golden(in: whole).command + "--steps 10", in: whole)
        #expect(first.status == 0, "\(first.errors)")
        let command = try golden(in: stopped).command
        let result = Shell.run(
            """
            \(command) --steps 10 2> words &
            until [ "$(cat logs/*/metrics.jsonl 2>/dev/null | wc -l)" -ge 3 ]; do sleep 0.02; done
            kill -USR1 $!; sleep 0.1; kill -TERM $!
            wait $!; echo $?
            grep -o 'go on with: vtfilter train --resume .*' words
            vtfilter train --resume logs/*/ --lpips lpips.safetensors --steps 10 2>> words; echo $?
            """, in: stopped)
        let lines = result.text.split(separator: "\n")
        #expect(lines.first == "143" && lines.last == "0" && lines.count == 3, "\(result.text)")
        let (a, b) = (try results(whole), try results(stopped))
        #expect(a.metrics == b.metrics && a.sums == b.sums)
        // Another seed is refused, and so is a model of another shape.
        for (arguments, words) in [
            ("--seed 5", "expected 23"),
            ("model.params.d_dim=8", "another: its shapes differ"),
        ] {
            let refused = Shell.run(
                "vtfilter train --resume logs/*/ --lpips lpips.safetensors --steps 20 \(arguments)",
                in: stopped)
            #expect(refused.status == 4 && refused.errors.contains(words), "\(refused.errors)")
        }
    }

    @Test func `a full disk leaves the last good checkpoint`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let command = try golden(in: folder).command
        let result = Shell.run(
            """
            \(command) --steps 4 2>/dev/null || exit
            sha256sum logs/*/checkpoints/last.ckpt > before
            trap '' XFSZ; ulimit -f 100
            vtfilter train --resume logs/*/ --lpips lpips.safetensors --steps 6 2> words; echo $?
            sha256sum -c before --quiet; echo $?
            ls -A logs/*/ logs/*/checkpoints | grep -c tmp
            cat words
            """, in: folder)
        let lines = result.text.split(separator: "\n")
        #expect(lines.prefix(3) == ["1", "0", "0"], "\(result.text)")
        #expect(result.text.contains("File too large"), "\(result.text)")
    }

    @Test func `a video that vanished is named and bounded`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let command = try golden(in: folder).command
        let result = Shell.run(
            """
            rm 7.mkv; echo junk > 9.mkv
            \(command) --steps 10 2> words; echo $?
            \(command) --steps 10 --max-bad 0.1 --logdir more 2> words2; echo $?
            grep -c 'gone\\|No such file' words; grep -c max-bad words
            grep -c '9.mkv' words2; wc -l < more/*/metrics.jsonl; cat words words2 >&2
            """, in: folder)
        #expect(
            result.text.split(separator: "\n").map { $0.filter { $0 != " " } }
                == ["4", "0", "1", "1", "1", "10"], "\(result.text) \(result.errors)")
    }

    @Test func `three batches that are not finite end a run with the last good checkpoint`() throws
    {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let command = try golden(in: folder).command
        let result = Shell.run(
            """
            \(command) --steps 10 model.params.lr_scheduler_config_g.params.lr_start=1e6 2> words
            echo $?; grep -c 'no step is made; clips of' words; grep -c 'three batches in a row' words
            grep -c null logs/*/metrics.jsonl
            """, in: folder)
        let lines = result.text.split(separator: "\n")
        #expect(lines == ["1", "3", "1", "3"], "\(result.text)")
        #expect(Checkpoint.isReadable("\(folder)", Shell.run("ls logs", in: folder).text))
    }

    @Test func `what cannot start says why`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let run = try golden(in: folder)
        let bare = "vtfilter train -b \(run.configuration) --data-dir . --meta meta.csv --steps 1 "
        for (command, status, words) in [
            ("vtfilter train", 2, "-b CONFIG is missing"),
            (bare, 4, "--lpips"),
            (bare + "data.params.batchsize=3", 4, "such as data.params.batch_size"),
            (bare + "model.params.ckpt_path=none.ckpt", 4, "none.ckpt"),
            (bare + "--data-dir nowhere", 4, "data.params.train.params.data_dir"),
            (
                "vtfilter train -b \(Fixtures.repository)/configs/vidtwin/"
                    + "vidtwin_structure_7_7_8_dynamics_7_8.yaml", 4,
                "data.params.train.params.data_dir, data.params.train.params.meta_path"
            ),
            ("vtfilter train --resume nowhere", 4, "nowhere"),
            (bare + "stray", 2, "KEY.PATH=VALUE"),
            ("echo words > notes; \(bare) --progress notes", 2, "holds something else"),
        ] as [(String, Int32, String)] {
            let result = Shell.run(command, in: folder)
            #expect(
                result.status == status && result.errors.contains(words),
                "\(command): \(result.status) \(result.errors)")
        }
        #expect(Shell.run("ls logs", in: folder).status != 0)  // nothing is left behind
    }

    @Test func `from scratch, a start with patterns and a partial one`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let run = try golden(in: folder)
        let initial = "\(Fixtures.folder)/goldens/training/causal/initial.safetensors"
        let bare =
            "vtfilter train -b \(run.configuration) --data-dir . --meta meta.csv --steps 2 "
            + "--lpips lpips.safetensors lightning.trainer.log_every_n_steps=1 "
        let scratch = Shell.run(
            bare + "--seed 7 && " + bare + "--seed 7 --logdir again", in: folder)
        #expect(scratch.status == 0 && scratch.errors.contains("made anew"), "\(scratch.errors)")
        #expect(
            Shell.run("cmp logs/*/model.safetensors again/*/model.safetensors", in: folder).status
                == 0)
        let ignoring = Shell.run(
            bare + "model.params.ckpt_path=\(initial) model.params.ignore_keys=[decoder]",
            in: folder)
        #expect(ignoring.errors.contains("left at their initial values"), "\(ignoring.errors)")
        let misfit =
            bare + "model.params.ckpt_path=\(initial) model.params.d_dim=8 --logdir misfit "
        let strict = Shell.run(misfit, in: folder)
        #expect(strict.status == 4 && strict.errors.contains("motion_head."), "\(strict.errors)")
        let other = "\(Fixtures.folder)/goldens/noncausal/model.safetensors"
        let many = Shell.run(
            bare + "model.params.ckpt_path=\(other) --logdir misfit ", in: folder)
        let lines = many.errors.split(separator: "\n")
        for kind in ["missing", "of another shape"] {  // each name has its line
            let count = lines.count { $0.hasPrefix("  \(kind): ") }
            #expect(
                many.status == 4 && count > 4
                    && many.errors.contains(" \(count) names are \(kind): "), "\(many.errors)")
        }
        let partial = Shell.run(misfit + "--allow-partial", in: folder)
        #expect(
            partial.status == 0 && partial.errors.contains("--allow-partial")
                && partial.errors.contains("motion_head."), "\(partial.errors)")
    }
}

extension Checkpoint {
    /// Whether the last checkpoint of the one run below `logs` can be opened.
    fileprivate static func isReadable(_ folder: String, _ run: String) -> Bool {
        (try? Checkpoint(path: "\(folder)/logs/\(run)/checkpoints/last.ckpt")) != nil
    }
}
