/// The words of the command line.
enum Arguments {
    /// Without the program's name.
    /// - Throws: `Failure` for bytes that are not UTF-8: converted, they would name another file.
    static func given() throws(Failure) -> [String] {
        var words: [String] = []
        for (index, pointer) in UnsafeBufferPointer(start: CommandLine.unsafeArgv, count: Int(CommandLine.argc)).enumerated().dropFirst() {
            guard let pointer, let word = String(validatingCString: pointer) else {
                throw .usage("argument \(index) of the command line is not valid UTF-8", hint: "rename the file or folder that it names")
            }
            words.append(word)
        }
        try CommandLineFailure.refuseEmptyValues(words)
        return joined(words)
    }

    /// `-d a.example, b.example` is one list, though a shell makes two words of it.
    static func joined(_ words: [String]) -> [String] {
        var joined: [String] = []
        var isList = false
        for word in words {
            if isList, let list = joined.last, list.hasSuffix(","), !word.hasPrefix("-") {
                joined[joined.count - 1] = list + word
            } else {
                isList = ["-d", "--domain"].contains(joined.last)
                joined.append(word)
            }
        }
        return joined
    }
}
