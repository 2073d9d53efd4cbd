import DurableFile
import Glibc

/// A place in a server's configuration that names a path.
struct ConfiguredPath: Equatable {
    var file: String
    /// From 1.
    var line: Int

    /// Bounds for a folder of another program's: more than any configuration has.
    private static let mostFiles = 2_000
    private static let deepest = 8
    private static let longestFile = 1 << 20

    /// The first line, apart from comments, that names something below `folder`.
    /// - Parameter places: folders of configurations. Those whose names end in "-available" are left out: what is in use
    ///   of them has a link elsewhere.
    static func first(below folder: String, in places: [String]) -> ConfiguredPath? {
        var rest = mostFiles
        for place in places {
            if let found = first(Array("\(folder)/".utf8), place, depth: 0, &rest) { return found }
        }
        return nil
    }

    private static func first(_ text: [UInt8], _ place: String, depth: Int, _ rest: inout Int) -> ConfiguredPath? {
        for name in (try? DurableFile.names(in: place))?.sorted() ?? [] where !name.hasSuffix("-available") && rest > 0 {
            let path = "\(place)/\(name)"
            rest -= 1
            var status = stat()
            guard stat(path, &status) == 0 else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFDIR:
                if depth < deepest, let found = first(text, path, depth: depth + 1, &rest) { return found }
            case S_IFREG:
                guard let bytes = try? DurableFile.read(path, limit: longestFile) else { continue }
                for (index, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
                    let content = line.drop { $0 == 0x20 || $0 == 0x09 }
                    guard content.first != UInt8(ascii: "#"), content.firstRange(of: text) != nil else { continue }
                    return ConfiguredPath(file: path, line: index + 1)
                }
            default: continue
            }
        }
        return nil
    }
}
