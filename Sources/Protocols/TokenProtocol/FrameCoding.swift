import KeyEncoding

extension HelperRequest {
    private enum Kind: UInt8 { case hello = 1, status, sign, generate, find, list, destroy, prepare, look, settle }

    /// Appends the request's frame.
    public func encode(id: UInt32, to bytes: inout [UInt8]) {
        // Moved out and back in, so that the buffer is not copied.
        let taken = bytes
        bytes = []
        var frame = FrameWriter(appendingTo: taken, id: id, kind: kind.rawValue)
        switch self {
        case .hello(let configuration): configuration.write(to: &frame)
        case .status, .look, .list, .prepare: break
        case .sign(let key, let mechanism, let input):
            key.write(to: &frame)
            frame.byte(mechanism.rawValue)
            frame.data(input)
        case .generate(let label, let id, let algorithm):
            frame.text(label)
            frame.data(id)
            frame.text(algorithm.rawValue)
        case .settle(let label, let id):
            frame.text(label)
            frame.data(id)
        case .find(let uri): frame.text(uri)
        case .destroy(let key): key.write(to: &frame)
        }
        bytes = frame.finish()
    }

    private var kind: Kind {
        switch self {
        case .hello: .hello
        case .status: .status
        case .look: .look
        case .sign: .sign
        case .generate: .generate
        case .settle: .settle
        case .find: .find
        case .list: .list
        case .destroy: .destroy
        case .prepare: .prepare
        }
    }

    init(reading frame: inout FrameReader) throws(FrameError) {
        guard let kind = Kind(rawValue: try frame.byte()) else { throw FrameError("an unknown request") }
        switch kind {
        case .hello: self = .hello(try TokenConfiguration(reading: &frame))
        case .status: self = .status
        case .look: self = .look
        case .list: self = .list
        case .prepare: self = .prepare
        case .sign:
            let key = try TokenKeyReference(reading: &frame)
            guard let mechanism = SigningMechanism(rawValue: try frame.byte()) else { throw FrameError("an unknown mechanism") }
            self = .sign(key, mechanism, try frame.data(limit: TokenLimits.message))
        case .generate:
            self = .generate(
                label: try frame.text(limit: TokenLimits.label), id: try frame.data(limit: TokenLimits.id), algorithm: try frame.algorithm()
            )
        case .settle: self = .settle(label: try frame.text(limit: TokenLimits.label), id: try frame.data(limit: TokenLimits.id))
        case .find: self = .find(uri: try frame.text(limit: TokenLimits.uri))
        case .destroy: self = .destroy(try TokenKeyReference(reading: &frame))
        }
    }
}

extension HelperReply {
    private enum Kind: UInt8 { case ready = 1, signature, key, keys, done, failure, settled }

    /// Appends the reply's frame, or several if a listing has more keys than fit in one.
    public func encode(id: UInt32, to bytes: inout [UInt8]) {
        guard case .keys(let keys, let more) = self else { return encodeFrame(id: id, to: &bytes) }
        // The agent could not name a foreign key that is over the limits, and such a key must not make the whole list
        // unreadable.
        var rest = keys.filter(\.reference.isWithinLimits)[...]
        repeat {
            let page = rest.prefix(TokenLimits.keysInReply)
            rest = rest.dropFirst(page.count)
            HelperReply.keys(Array(page), more: more || !rest.isEmpty).encodeFrame(id: id, to: &bytes)
        } while !rest.isEmpty
    }

    private func encodeFrame(id: UInt32, to bytes: inout [UInt8]) {
        let taken = bytes
        bytes = []
        var frame = FrameWriter(appendingTo: taken, id: id, kind: kind.rawValue)
        switch self {
        case .ready(let information): information.write(to: &frame)
        case .signature(let signature): frame.data(signature)
        case .key(let key): key.write(to: &frame)
        case .settled(let key):
            frame.bool(key != nil)
            key?.write(to: &frame)
        case .keys(let keys, let more):
            frame.bool(more)
            frame.integer(UInt32(truncatingIfNeeded: keys.count))
            for key in keys { key.write(to: &frame) }
        case .done: break
        case .failure(let failure): failure.write(to: &frame)
        }
        bytes = frame.finish()
    }

    private var kind: Kind {
        switch self {
        case .ready: .ready
        case .signature: .signature
        case .key: .key
        case .settled: .settled
        case .keys: .keys
        case .done: .done
        case .failure: .failure
        }
    }

    init(reading frame: inout FrameReader) throws(FrameError) {
        guard let kind = Kind(rawValue: try frame.byte()) else { throw FrameError("an unknown reply") }
        switch kind {
        case .ready: self = .ready(try TokenInformation(reading: &frame))
        case .signature: self = .signature(try frame.data(limit: TokenLimits.signature))
        case .key: self = .key(try TokenKey(reading: &frame))
        case .settled: self = .settled(try frame.bool() ? try TokenKey(reading: &frame) : nil)
        case .keys:
            let more = try frame.bool()
            let count = Int(try frame.integer())
            guard count <= TokenLimits.keysInReply else { throw FrameError("a reply with \(count) keys") }
            var keys: [TokenKey] = []
            keys.reserveCapacity(count)
            for _ in 0..<count { keys.append(try TokenKey(reading: &frame)) }
            self = .keys(keys, more: more)
        case .done: self = .done
        case .failure: self = .failure(try TokenFailure(reading: &frame))
        }
    }
}

extension FrameReader {
    fileprivate mutating func algorithm() throws(FrameError) -> KeyAlgorithm {
        guard let algorithm = KeyAlgorithm(rawValue: try text(limit: 32)) else { throw FrameError("an unknown key algorithm") }
        return algorithm
    }
}

extension TokenKeyReference {
    fileprivate func write(to frame: inout FrameWriter) {
        frame.data(id)
        frame.text(label)
        frame.data(spki)
    }

    fileprivate init(reading frame: inout FrameReader) throws(FrameError) {
        self.init(
            id: try frame.data(limit: TokenLimits.id), label: try frame.text(limit: TokenLimits.label),
            spki: try frame.data(limit: TokenLimits.spki))
    }
}

extension TokenKey {
    fileprivate func write(to frame: inout FrameWriter) {
        reference.write(to: &frame)
        frame.text(algorithm.rawValue)
        frame.integer(UInt32(weaknesses.rawValue))
    }

    fileprivate init(reading frame: inout FrameReader) throws(FrameError) {
        let reference = try TokenKeyReference(reading: &frame), algorithm = try frame.algorithm()
        guard let bits = UInt16(exactly: try frame.integer()), KeyWeaknesses.all.isSuperset(of: KeyWeaknesses(rawValue: bits)) else {
            throw FrameError("an unknown weakness of a key")
        }
        self.init(reference: reference, algorithm: algorithm, weaknesses: KeyWeaknesses(rawValue: bits))
    }
}

extension TokenInformation {
    fileprivate func write(to frame: inout FrameWriter) {
        for text in [label, manufacturer, model, serial] { frame.shortened(text, limit: TokenLimits.text) }
        frame.byte(UInt8(truncatingIfNeeded: algorithms.count))
        for algorithm in algorithms { frame.text(algorithm.rawValue) }
        frame.bool(isLoggedIn)
        frame.bool(pinFault != nil)
        pinFault?.write(to: &frame)
    }

    fileprivate init(reading frame: inout FrameReader) throws(FrameError) {
        let label = try frame.text(limit: TokenLimits.text), manufacturer = try frame.text(limit: TokenLimits.text)
        let model = try frame.text(limit: TokenLimits.text), serial = try frame.text(limit: TokenLimits.text)
        var algorithms: [KeyAlgorithm] = []
        for _ in 0..<(try frame.byte()) { algorithms.append(try frame.algorithm()) }
        self.init(
            label: label, manufacturer: manufacturer, model: model, serial: serial, algorithms: algorithms, isLoggedIn: try frame.bool(),
            pinFault: try frame.bool() ? try TokenFailure(reading: &frame) : nil)
    }
}

extension TokenFailure {
    fileprivate func write(to frame: inout FrameWriter) {
        frame.byte(kind.rawValue)
        frame.optionalShortened(function, limit: TokenLimits.text)
        frame.bool(returnValue != nil)
        frame.long(UInt64(returnValue ?? 0))
        frame.shortened(message, limit: TokenLimits.sentence)
        frame.optionalShortened(hint, limit: TokenLimits.sentence)
        frame.bool(mayHaveHappened)
    }

    fileprivate init(reading frame: inout FrameReader) throws(FrameError) {
        guard let kind = Kind(rawValue: try frame.byte()) else { throw FrameError("an unknown failure") }
        let function = try frame.optionalText(limit: TokenLimits.text)
        let hasValue = try frame.bool()
        let value = try frame.long()
        self.init(
            kind, function: function, returnValue: hasValue ? UInt(truncatingIfNeeded: value) : nil,
            message: try frame.text(limit: TokenLimits.sentence),
            hint: try frame.optionalText(limit: TokenLimits.sentence), mayHaveHappened: try frame.bool())
    }
}

extension TokenConfiguration {
    fileprivate func write(to frame: inout FrameWriter) {
        frame.text(name)
        frame.text(module)
        frame.text(uri)
        frame.optionalText(pinSource)
        frame.integer(UInt32(truncatingIfNeeded: pool))
        frame.integer(UInt32(truncatingIfNeeded: helperMebibytes))
        frame.text(stateDirectory)
        frame.integer(UInt32(truncatingIfNeeded: environment.count))
        for (name, value) in environment.sorted(by: { $0.key < $1.key }) {
            frame.text(name)
            frame.text(value)
        }
    }

    fileprivate init(reading frame: inout FrameReader) throws(FrameError) {
        let name = try frame.text(limit: TokenLimits.text), module = try frame.text(limit: TokenLimits.path)
        let uri = try frame.text(limit: TokenLimits.uri)
        let pinSource = try frame.optionalText(limit: TokenLimits.path)
        let pool = Int(try frame.integer()), helperMebibytes = Int(try frame.integer())
        let stateDirectory = try frame.text(limit: TokenLimits.path)
        let count = try frame.integer()
        guard count <= UInt32(TokenLimits.environment), (1...TokenLimits.pool).contains(pool),
            TokenLimits.helperMebibytes.contains(helperMebibytes)
        else {
            throw FrameError("a configuration over the limits")
        }
        var environment: [String: String] = [:]
        for _ in 0..<count {
            let name = try frame.text(limit: TokenLimits.text)
            guard environment.updateValue(try frame.text(limit: TokenLimits.path), forKey: name) == nil else {
                throw FrameError("a duplicate environment variable")
            }
        }
        self.init(
            name: name, module: module, uri: uri, pinSource: pinSource, pool: pool, helperMebibytes: helperMebibytes,
            stateDirectory: stateDirectory, environment: environment)
    }
}
