/// Reads a document as a browser's tokenizer does, as far as this program's pages go, and refuses what is out of order:
/// unknown elements, elements that are not closed, raw `<` or `&`.
struct DocumentReader {
    struct Mistake: Error, CustomStringConvertible { var description: String }

    /// Each element in its order, with the names of its attributes: `p aria-label`.
    private(set) var structure: [String] = []
    /// All text within the last element of each name, unescaped.
    private(set) var texts: [String: String] = [:]
    /// Values of attributes, unescaped: by element and name.
    private(set) var values: [String: [String]] = [:]
    private(set) var style = ""

    private static let void: Set<String> = ["meta"]
    private static let known: Set<String> = [
        "html", "head", "title", "body", "header", "main", "nav", "footer", "section", "h1", "h2", "h3", "p", "div", "span", "strong",
        "code",
        "bdi", "time", "ul", "li", "dl", "dt", "dd", "figure", "figcaption", "table", "caption", "thead", "tbody", "tr", "th", "td", "a",
        "svg",
        "defs", "pattern", "g", "rect", "line", "text", "meta", "style",
    ]

    init(_ bytes: [UInt8]) throws {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw Mistake(description: "not UTF-8") }
        var rest = Array(text.unicodeScalars)[...]
        func starts(_ prefix: String) -> Bool { rest.starts(with: prefix.unicodeScalars) }
        guard starts("<!DOCTYPE html>\n") else { throw Mistake(description: "no document type") }
        rest = rest.dropFirst("<!DOCTYPE html>\n".unicodeScalars.count)
        var open: [String] = []
        while let next = rest.first {
            guard next == "<" else {
                let run = rest.prefix { $0 != "<" }
                rest = rest[run.endIndex...]
                let text = try Self.unescaped(run)
                for name in open { texts[name, default: ""] += text }
                continue
            }
            guard let end = rest.firstIndex(of: ">") else { throw Mistake(description: "an element that does not end") }
            var inside = rest[rest.index(after: rest.startIndex)..<end]
            rest = rest[(end + 1)...]
            if inside.first == "/" {
                let name = String(String.UnicodeScalarView(inside.dropFirst()))
                guard open.popLast() == name else { throw Mistake(description: "</\(name)> closes nothing") }
                continue
            }
            let name = Self.word(&inside)
            guard Self.known.contains(name) else { throw Mistake(description: "an unknown element <\(name)>") }
            var names = [name]
            while inside.first == " " {
                inside = inside.dropFirst()
                let attribute = Self.word(&inside)
                guard inside.first == "=", inside.dropFirst().first == "\"", let quote = inside.dropFirst(2).firstIndex(of: "\"") else {
                    throw Mistake(description: "an attribute \(attribute) of <\(name)> without a value")
                }
                values["\(name) \(attribute)", default: []].append(try Self.unescaped(inside[(inside.startIndex + 2)..<quote]))
                inside = inside[(quote + 1)...]
                names.append(attribute)
            }
            guard inside.isEmpty else { throw Mistake(description: "<\(name)> has something else in it") }
            structure.append(names.joined(separator: " "))
            if name == "style" {
                // Raw text, up to its end (HTML 13.2.5.2).
                while !starts("</style>") {
                    guard let next = rest.popFirst() else { throw Mistake(description: "a style sheet that does not end") }
                    style.unicodeScalars.append(next)
                }
            }
            if !Self.void.contains(name) {
                open.append(name)
                texts[name] = ""
            }
        }
        guard open.isEmpty else { throw Mistake(description: "\(open) are not closed") }
    }

    private static func word(_ rest: inout ArraySlice<Unicode.Scalar>) -> String {
        let word = rest.prefix { ("a"..."z").contains($0) || ("A"..."Z").contains($0) || ("0"..."9").contains($0) || $0 == "-" }
        rest = rest[word.endIndex...]
        return String(String.UnicodeScalarView(word))
    }

    private static let references = ["&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": "\"", "&#39;": "'"]

    private static func unescaped(_ run: ArraySlice<Unicode.Scalar>) throws -> String {
        var text = "", rest = run
        while let next = rest.first {
            guard next == "&" else {
                text.unicodeScalars.append(next)
                rest = rest.dropFirst()
                continue
            }
            guard let end = rest.firstIndex(of: ";"), let value = references[String(String.UnicodeScalarView(rest[rest.startIndex...end]))]
            else { throw Mistake(description: "a raw &") }
            text += value
            rest = rest[(end + 1)...]
        }
        return text
    }
}
