/// Samples of call stacks, as `perf script -F comm,pid,ip,sym,dso` prints them, and how their time is spent.
public struct StackProfile: Sendable {
    /// One sample: the thread, and its call stack from the innermost frame.
    public struct Sample: Sendable, Hashable {
        public var command: String
        public var process: Int32
        public var frames: [Frame]

        public init(command: String, process: Int32, frames: [Frame]) {
            self.command = command
            self.process = process
            self.frames = frames
        }
    }

    /// A function and its file.
    public struct Frame: Sendable, Hashable {
        public var symbol: String
        public var file: String

        public init(symbol: String, file: String) {
            self.symbol = symbol
            self.file = file
        }

        /// The Swift module of a mangled name (`$s` + length + module); `nil` for other languages, for specialisations
        /// of the standard library, and for names mangled by substitution.
        public var module: String? {
            guard symbol.hasPrefix("$s") else { return nil }
            let rest = symbol.dropFirst(2)
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            guard let length = Int(digits), length > 0, length < rest.utf8.count else { return nil }
            return String(rest.dropFirst(digits.count).prefix(length))
        }
    }

    public var samples: [Sample]

    /// Parses the output of `perf script`. Other lines are ignored.
    public init(perfScript text: String) {
        var samples: [Sample] = []
        var current: Sample?
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.isEmpty {
                if let sample = current { samples.append(sample) }
                current = nil
            } else if line.first == "\t" || line.first == " ", current != nil {
                if let frame = StackProfile.frame(line) { current?.frames.append(frame) }
            } else if let head = StackProfile.head(line) {
                if let sample = current { samples.append(sample) }
                current = Sample(command: head.command, process: head.process, frames: [])
            }
        }
        if let sample = current { samples.append(sample) }
        self.samples = samples
    }

    /// `NIO-ELT-1-#1  4733`: a name, which may have spaces, and the process.
    private static func head(_ line: Substring) -> (command: String, process: Int32)? {
        let words = line.split(separator: " ")
        guard let last = words.last, let process = Int32(last), words.count > 1 else { return nil }
        return (words.dropLast().joined(separator: " "), process)
    }

    /// `ADDRESS SYMBOL (FILE)`.
    private static func frame(_ line: Substring) -> Frame? {
        guard let open = line.lastIndex(of: "("), let close = line.lastIndex(of: ")"), open < close else { return nil }
        let words = line[..<open].drop { $0 == " " || $0 == "\t" }
        guard let space = words.firstIndex(of: " ") else { return nil }
        let symbol = words[words.index(after: space)...].reversed().drop { $0 == " " }.reversed()
        return Frame(symbol: String(symbol), file: String(line[line.index(after: open)..<close]))
    }

    /// The number of samples in each stage, as determined by `stage`; a sample with `nil` is not counted.
    public func counts<Stage: Hashable>(_ stage: (Sample) -> Stage?) -> [Stage: Int] {
        var counts: [Stage: Int] = [:]
        for sample in samples { if let stage = stage(sample) { counts[stage, default: 0] += 1 } }
        return counts
    }
}
