import Testing
import VidTwinTestSupport

import vtfilter

@Suite struct `The page of a run` {
    @Test func `a curve has few points, and keeps every extreme`() {
        var curve = CurveSeries()
        for i in 0..<10_000 { curve.add(i == 4321 ? 99 : Double(i % 7), at: Double(i)) }
        curve.add(.nan, at: 10_000)
        #expect(curve.points.count <= CurveSeries.most && curve.points.count > CurveSeries.most / 4)
        #expect(curve.range == 0...99 && curve.last == Double(9_999 % 7))
        #expect(curve.points.reduce(0) { $0 + $1.count } == 10_000)
        let sum = curve.points.reduce(0) { $0 + $1.value * Double($1.count) }
        let all = (0..<10_000).reduce(0) { $0 + ($1 == 4321 ? 99 : $1 % 7) }
        #expect(abs(sum - Double(all)) < 1e-6)
        #expect(zip(curve.points, curve.points.dropFirst()).allSatisfy { $0.batch < $1.batch })
    }

    @Test func `curves go on where the file ended before, and add the hours up`() {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let path = "\(folder)/metrics.jsonl"
        func line(_ batch: Int, _ rate: String) -> String {
            "{\"batch\": \(batch), \"epoch\": 0, \"train/total_loss\": \(batch), "
                + "\"train/clips_per_second\": \(rate)}\n"
        }
        let first = line(9, "2") + line(19, "4")
        let validation = "{\"batch\": 19, \"val/psnr\": 20.5}\n"
        let half = "{\"batch\": 29, \"epoch\""
        Fixtures.write(Array((first + validation + half).utf8), to: path)
        let curves = TrainingCurves(path, clipsOfBatch: 3)
        curves.update()
        #expect(curves.lastBatch == 20 && curves.seconds == 30.0 / 2 + 30.0 / 4)
        #expect(curves["train/total_loss"].points.map(\.batch) == [10, 20])
        #expect(curves["val/psnr"].last == 20.5 && curves["val/none"].points.isEmpty)
        Fixtures.write(Array((first + validation + line(29, "null")).utf8), to: path)
        curves.update()
        curves.update()
        #expect(curves.lastBatch == 30 && curves.seconds == 22.5)
        #expect(curves["train/total_loss"].points.map(\.value) == [9, 19, 29])
    }

    /// What a browser sees of a page, as its title.
    private static let look = """
        onload = () => {
          const seen = [];
          const heads = [...document.querySelectorAll('.chart b')].map(b => b.textContent);
          seen.push(['PSNR', 'SSIM', 'LPIPS', 'learning rates'].every(head => heads.includes(head)));
          const rates = [...document.querySelectorAll('.chart')]
            .find(chart => chart.querySelector('b').textContent === 'learning rates');
          seen.push([...rates.querySelectorAll('.curve')].map(curve => curve.dataset.name
            + curve.getAttribute('points').split(' ').length).join(' '));
          // The discriminator starts in the middle of six batches.
          seen.push([...document.querySelectorAll('.chart')].every(chart =>
            Math.abs(chart.querySelector('line.mean').getAttribute('x1') - 50) < 0.01
            && chart.textContent.includes('discriminator starts')));
          const box = rates.querySelector('svg').getBoundingClientRect();
          rates.querySelector('svg').dispatchEvent(new PointerEvent('pointermove',
            { clientX: box.right, clientY: box.top, bubbles: true }));
          seen.push(rates.querySelector('output').textContent.replace(/[0-9.]+(?=,|$)/g, 'n'));
          const names = [...document.querySelectorAll('.films')].map(films =>
            [...films.querySelectorAll('i')].map(name => name.textContent).join(' '));
          seen.push(names.length + ' ' + [...new Set(names)].join('/'));
          seen.push([...document.querySelectorAll('.films + figcaption')]
            .map(text => text.textContent.slice(0, 4)).join(' '));
          seen.push([...document.images].every(image => image.complete
            && Math.abs(image.height / 4 - image.parentElement.clientHeight) <= 1));
          seen.push(document.documentElement.scrollWidth <= innerWidth);
          const light = colour => {
            const [r, g, b] = colour.match(/[0-9.]+/g).map(v => (v /= 255) <= 0.04045 ? v / 12.92
              : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
          };
          const card = light(getComputedStyle(document.querySelector('.card')).backgroundColor);
          const words = '.soft, dt, dd, figcaption, .x span, .key, .marks span, .films i, pre';
          seen.push([...document.querySelectorAll(words)].every(e => {
            const text = light(getComputedStyle(e).color);
            return Math.max(text, card) / Math.min(text, card) >= 4.5;
          }));
          // Four frames follow each other, at the same time in all pictures, until they are stopped.
          const films = document.querySelector('.films');
          const moves = [...films.querySelectorAll('img')].map(image => image.getAnimations()[0]);
          const place = time => moves.map(move => { move.currentTime = time; const style =
            getComputedStyle(move.effect.target); return (style.transform.split(/[ ,)]+/)[5]
            / move.effect.target.height).toFixed(2); });
          const duration = moves[0].effect.getTiming().duration;
          seen.push([0.1, 0.3, 0.6, 0.9].map(part =>
            [...new Set(place(part * duration))].join('/')).join(' '));
          films.click();
          seen.push(getComputedStyle(films.querySelector('img')).animationPlayState);
          films.click();
          seen.push(getComputedStyle(films.querySelector('img')).animationPlayState);
          top.document.title = seen.join('|');
        };
        """

    @Test func `renewed at validations, moving pictures, readable everywhere, nothing foreign`()
        throws
    {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let run = try TrainTests.GoldenRun("flat", seed: 3, accumulate: 1, in: folder)
        Fixtures.write(Array(`The page of a run`.look.utf8), to: "\(folder)/look.js")
        let result = Shell.run(
            """
            mkdir val; for i in 0 1 2 3 4; do cp $i.mkv val/clip$i.mkv; done
            echo junk > "val/<img src=x onerror=alert(2)>.mkv"
            \(run.command) --val-data-dir val --steps 6 --threads 1 --seed 5 \
              lightning.trainer.val_check_interval=2 model.params.loss_config.params.disc_start=7 \
              2> words || cat words >&2
            cd logs/*; cp report.html ../../page.html; cat refused.csv | cut -d, -f1,2; ls *.tmp* 2> /dev/null
            cd ../..
            [ $(stat -c %s page.html) -lt 600000 ] && echo small
            grep -c -i -E '(src|href)="?(https?:)?//|@import|url\\(' page.html
            grep -o '<dt>clips seen</dt><dd>[0-9]*' page.html; grep -o 'of the validation after batch [0-9]*' page.html
            { sed "s/script-src [^;]*/script-src 'unsafe-inline'/" page.html
              echo '<script>'; cat look.js; echo '</script>'; } > looked.html
            echo '<body style="margin:0"><iframe src=looked.html width=390 height=800></iframe>' > phone.html
            for look in "looked 1280 1" "looked 1280 0" "phone 500 1" "phone 500 0"; do
              set -- $look
              chromium --headless=new --no-sandbox --disable-gpu --enable-logging=stderr \
                --allow-file-access-from-files --blink-settings=preferredColorScheme=$3 \
                --user-data-dir=$PWD/profile --window-size=$2,900 --virtual-time-budget=5000 --dump-dom \
                "file://$PWD/$1.html" 2> log | grep -o '<title>[^<]*</title>' | head -n 1
              grep -c CONSOLE log
            done
            # As it is, the page's own script runs, and a foreign one does not.
            { cat page.html; echo '<script>document.title = "foreign"</script>'; } > foreign.html
            for page in page foreign; do
              chromium --headless=new --no-sandbox --disable-gpu --enable-logging=stderr \
                --user-data-dir=$PWD/profile --virtual-time-budget=5000 --dump-dom \
                "file://$PWD/$page.html" 2> log | grep -o '<title>foreign</title>'
              grep -c 'CONSOLE.*Content Security Policy' log
            done
            """, in: folder, seconds: 200)
        let title =
            "<title>true|generator6 discriminator6|true|batch 6: generator n, discriminator n|"
            + "4 inputs reconstructions structure dynamics|clip clip clip clip|true|true|true|"
            + "0.00 -0.25 -0.50 -0.75|paused|running</title>"
        let looks = Array(repeating: "\(title)\n0", count: 4).joined(separator: "\n")
        #expect(
            result.text == """
                part,video
                validation,<img src=x onerror=alert(2)>.mkv
                small
                0
                <dt>clips seen</dt><dd>12
                of the validation after batch 6
                \(looks)
                0
                1
                """, "\(result.text) \(result.errors)")
    }

    @Test func `a page that cannot be written ends no run, and one without validation says so`()
        throws
    {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let run = try TrainTests.GoldenRun("flat", seed: 3, accumulate: 1, in: folder)
        let result = Shell.run(
            """
            \(run.command) --steps 1 --no-tensorboard 2> words || cat words >&2
            grep -c 'Nothing was validated' logs/*/report.html
            rm logs/*/report.html; mkdir $(ls -d logs/*)/report.html
            vtfilter train --resume logs/* --steps 2 2>&1 | grep -c 'warning: report.html:'
            wc -l < $(ls logs/*/metrics.jsonl)
            """, in: folder)
        #expect(result.text == "1\n1\n2", "\(result.text) \(result.errors)")
    }
}
