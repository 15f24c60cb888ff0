/// How the rows of an op are divided into tasks.
///
/// The division depends on the rows alone, never on the number of threads, so that results do not
/// either. Large counts give a multiple of 16 tasks: even shares for 1, 2, 4, 8 and 16 threads.
package struct Partition: Sendable {
    package let rows: Int
    package let tasks: Int

    /// Divides `rows` into tasks of about `target` rows at most.
    package init(rows: Int, target: Int) {
        self.rows = rows
        let wanted = (rows + target - 1) / max(target, 1)
        tasks = max(wanted > 8 ? (wanted + 15) / 16 * 16 : wanted, 1)
    }

    /// The rows of a task; sizes differ by one at most.
    package subscript(task: Int) -> Range<Int> {
        rows * task / tasks..<rows * (task + 1) / tasks
    }
}
