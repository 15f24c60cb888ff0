import Testing
import VidTwinTestSupport

@Suite struct `The page of an evaluation` {
    /// The page in a browser, at a width and in light or dark, after clicks; what the clicks saw
    /// becomes the title. A width below 500 is a frame's, as no window is narrower.
    private static let browser = """
        cat > clicks.js << 'EOF'
        onload = () => {
          const seen = [];
          const names = () => [...document.querySelectorAll('table.sortable tbody tr')]
            .map(row => row.cells[0].dataset.value.slice(-5)).join(' ');
          seen.push(names());
          const button = document.querySelectorAll('table.sortable th button')[2];
          button.click(); seen.push(names()); button.click(); seen.push(names());
          document.querySelectorAll('.by button')[1].click();
          seen.push([...document.querySelectorAll('.moments')].map(part => part.hidden).join(' '));
          seen.push(document.querySelectorAll('.moment img').length);
          seen.push([...document.images].every(image => image.complete && image.naturalWidth > 0));
          // Nothing is wider than the page but what scrolls in its own box.
          seen.push(document.documentElement.scrollWidth <= innerWidth);
          const chart = document.querySelector('.chart[data-last]');
          const box = chart.querySelector('svg').getBoundingClientRect();
          chart.querySelector('svg').dispatchEvent(new PointerEvent('pointermove',
            { clientX: box.left + box.width, clientY: box.top, bubbles: true }));
          seen.push(chart.querySelector('output').textContent.split(':')[0]);
          // Contrast of text, in both schemes.
          const light = colour => {
            const [r, g, b] = colour.match(/[0-9.]+/g).map(v => (v /= 255) <= 0.04045 ? v / 12.92
              : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
          };
          const card = light(getComputedStyle(document.querySelector('.card')).backgroundColor);
          seen.push([...document.querySelectorAll('.soft, dt, dd, a, figcaption, .x span')].every(e => {
            const text = light(getComputedStyle(e).color);
            return Math.max(text, card) / Math.min(text, card) >= 4.5;
          }));
          top.document.title = seen.join('|');
        };
        EOF
        # The page allows no script but its own: what clicks for this test is let in.
        { sed "s/script-src [^;]*/script-src 'unsafe-inline'/" page.html
          echo '<script>'; cat clicks.js; echo '</script>'; } > clicked.html
        echo '<body style="margin:0"><iframe src=clicked.html width=390 height=800></iframe>' > phone.html
        for look in "clicked 1280 1" "clicked 1280 0" "phone 500 1" "phone 500 0"; do
          set -- $look
          chromium --headless=new --no-sandbox --disable-gpu --enable-logging=stderr \
            --allow-file-access-from-files --blink-settings=preferredColorScheme=$3 \
            --user-data-dir=$PWD/profile --window-size=$2,900 --virtual-time-budget=5000 --dump-dom \
            "file://$PWD/$1.html" 2> log | grep -o '<title>[^<]*</title>' | head -n 1
          grep -c CONSOLE log
        done
        # As it is, a foreign script is refused, and the page's own runs.
        { cat page.html; echo '<script>document.title = "foreign"</script>'; } > foreign.html
        for page in page foreign; do
          chromium --headless=new --no-sandbox --disable-gpu --enable-logging=stderr \
            --user-data-dir=$PWD/profile --virtual-time-budget=5000 --dump-dom \
            "file://$PWD/$page.html" 2> log | grep -o '<title>foreign</title>'
          grep -c 'CONSOLE.*Content Security Policy' log
        done
        """

    @Test
    func `no errors, no network, sortable, names are text, readable on a phone, light and dark`() {
        guard Shell.run("command -v chromium").status == 0 else {
            print("SKIPPED: the page in a browser; there is no chromium (make test-deps)")
            return
        }
        let result = Shell.run(
            """
            mkdir set; cp $MEDIA/city.mp4 "set/<script>alert(1)<\\\\script>.mp4"
            cp $MEDIA/bunny.mp4 "set/a_name_that_goes_on_and_on_without_any_place_to_break_z.mp4"
            echo junk > "set/<img src=x onerror=alert(2)>.mkv"
            vtfilter evaluate --data-dir set --frames 20 --report page.html -q 2> /dev/null
            grep -c -i -E '(src|href)="?(https?:)?//|@import|url\\(' page.html
            \(Self.browser)
            """, seconds: 200)
        let title =
            "<title>&gt;.mp4 z.mp4|&gt;.mp4 z.mp4|z.mp4 &gt;.mp4|true false|48|true|true|frame 19|true</title>"
        let looks = Array(repeating: "\(title)\n0", count: 4).joined(separator: "\n")
        #expect(
            result.text == "0\n\(looks)\n0\n1", "\(result.text) \(result.errors)")
    }

    @Test
    func `of two videos: what they are is said, and of JSON alone that there are no pictures`() {
        let result = Shell.run(
            """
            ffmpeg -v error -i $MEDIA/city.mp4 -frames:v 20 -s 64x48 a.mkv
            ffmpeg -v error -i a.mkv -crf 45 "b & c.mkv"
            vtfilter evaluate --reference a.mkv --distorted "b & c.mkv" --report one.html --json x.json -q
            vtfilter evaluate --merge x.json --report two.html -q
            grep -c '<h1>b &amp; c.mkv beside a.mkv</h1>' one.html two.html
            grep -o '<i>[a-z]*' one.html | sort -u; grep -c 'No pictures' two.html
            """)
        #expect(
            result.text == "one.html:1\ntwo.html:1\n<i>difference\n<i>distorted\n<i>reference\n1",
            "\(result.text) \(result.errors)")
    }
}
