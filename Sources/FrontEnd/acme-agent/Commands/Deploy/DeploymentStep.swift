import ACME
import StrictJSON

/// One step of a deployment: files to write, commands to run.
struct DeploymentStep: Equatable {
    struct File: Equatable {
        enum Change: String { case write, add }
        /// Whether the text is the whole file, or added to it.
        var change: Change
        /// A path, or where in the server's configuration.
        var place: String
        var text: String
    }

    /// What replaces a line or a command of the step, on a condition.
    struct Variant: Equatable {
        /// What it is for, as the beginning of a sentence.
        var purpose: String
        /// The line, or the command, that takes the place of the one that begins with `replaced`.
        var text: String
        var replaced: String
        var isCommand = false
    }

    /// Stable, for programs.
    var name: String
    /// A sentence without a full stop.
    var title: String
    var files: [File] = []
    var commands: [String] = []
    var variant: Variant?
    var note: String?

    /// For a person: what is to be copied is indented further than the rest.
    func text(number: Int) -> String {
        var lines = Self.paragraph("\(title).", first: "\(number). ")
        for file in files {
            lines += ["", Self.indent + TerminalText.safe("\(file.change == .write ? "Write" : "Add to") \(file.place):"), ""]
            lines += Self.copied(file.text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init))
        }
        if !commands.isEmpty { lines += ["", Self.indent + "Run:", ""] + Self.copied(commands) }
        if let variant {
            let what = variant.isCommand ? "run instead of `\(variant.replaced)`" : "write instead of the line with \(variant.replaced)"
            lines += [""] + Self.paragraph("\(variant.purpose), \(what):", first: Self.indent) + [""] + Self.copied([variant.text])
        }
        if let note { lines += [""] + Self.paragraph("Note: \(note).", first: Self.indent) }
        return lines.joined(separator: "\n")
    }

    private static let width = 80
    private static let indent = "   "

    /// Values come from the store and from other programs: nothing in them may end a line or act on the terminal.
    private static func paragraph(_ text: String, first: String) -> [String] {
        let lines = Wording.wrapped(TerminalText.safe(text), width: width - indent.count).map { String($0.drop { $0 == " " }) }
        return lines.enumerated().map { ($0 == 0 ? first : indent) + $1 }
    }

    private static func copied(_ lines: [String]) -> [String] { lines.map { $0.isEmpty ? "" : indent + "    " + TerminalText.safe($0) } }

    func write(to json: inout JSONWriter) {
        json.beginObject()
        json.member("name", name)
        json.member("title", title)
        json.name("files")
        json.beginArray()
        for file in files {
            json.beginObject()
            json.member("change", file.change.rawValue)
            json.member("place", file.place)
            json.member("text", file.text)
            json.endObject()
        }
        json.endArray()
        json.member("commands", commands)
        if let variant {
            json.name("variant")
            json.beginObject()
            json.member("purpose", variant.purpose)
            json.member("replaced", variant.replaced)
            json.member("text", variant.text)
            json.member("isCommand", variant.isCommand)
            json.endObject()
        }
        json.member("note", ifPresent: note)
        json.endObject()
    }
}
