import JOSE

extension HelperRequest {
    private enum Kind: UInt8 { case hello = 1, status, sign, generate, find, list, destroy }

    /// Appends the request's frame.
    public func encode(id: UInt32, to bytes: inout [UInt8]) {
        // Moved in and out, so that the buffer is not copied.
        let taken = bytes
        bytes = []
        var frame = FrameWriter(appendingTo: taken, id: id, kind: kind.rawValue)
        switch self {
        case .hello(let configuration): configuration.write(to: &frame)
        case .status, .list: break
        case .sign(let key, let mechanism, let input):
            key.write(to: &frame)
            frame.byte(mechanism.rawValue)
            frame.data(input)
        case .generate(let label, let id, let algorithm):
            frame.text(label)
            frame.data(id)
            frame.text(algorithm.rawValue)
        case .find(let uri): frame.text(uri)
        case .destroy(let key): key.write(to: &frame)
        }
        bytes = frame.finish()
    }

    private var kind: Kind {
        switch self {
        case .hello: .hello
        case .status: .status
        case .sign: .sign
        case .generate: .generate
        case .find: .find
        case .list: .list
        case .destroy: .destroy
        }
    }

    init(reading frame: inout FrameReader) throws(FrameError) {
        guard let kind = Kind(rawValue: try frame.byte()) else { throw FrameError("an unknown request") }
        switch kind {
        case .hello: self = .hello(try TokenConfiguration(reading: &frame))
        case .status: self = .status
        case .list: self = .list
        case .sign:
            let key = try TokenKeyReference(reading: &frame)
            guard let mechanism = SigningMechanism(rawValue: try frame.byte()) else { throw FrameError("an unknown mechanism") }
            self = .sign(key, mechanism, try frame.data(limit: TokenLimits.message))
        case .generate:
            self = .generate(
                label: try frame.text(limit: TokenLimits.label), id: try frame.data(limit: TokenLimits.id), algorithm: try frame.algorithm())
        case .find: self = .find(uri: try frame.text(limit: 4_096))
        case .destroy: self = .destroy(try TokenKeyReference(reading: &frame))
        }
    }
}

extension HelperReply {
    private enum Kind: UInt8 { case ready = 1, signature, key, keys, done, failure }

    /// Appends the reply's frame.
    public func encode(id: UInt32, to bytes: inout [UInt8]) {
        let taken = bytes
        bytes = []
        var frame = FrameWriter(appendingTo: taken, id: id, kind: kind.rawValue)
        switch self {
        case .ready(let information): information.write(to: &frame)
        case .signature(let signature): frame.data(signature)
        case .key(let key): key.write(to: &frame)
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
        case .keys: .keys
        case .done: .done
        case .failure: .failure
        }
    }

    init(reading frame: inout FrameReader) throws(FrameError) {
        guard let kind = Kind(rawValue: try frame.byte()) else { throw FrameError("an unknown reply") }
        switch kind {
        case .ready: self = .ready(try TokenInformation(reading: &frame))
        case .signature: self = .signature(try frame.data(limit: 4_096))
        case .key: self = .key(try TokenKey(reading: &frame))
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
        frame.bool(isSensitive)
        frame.bool(isExtractable)
        frame.bool(isLocal)
    }

    fileprivate init(reading frame: inout FrameReader) throws(FrameError) {
        self.init(
            reference: try TokenKeyReference(reading: &frame), algorithm: try frame.algorithm(), isSensitive: try frame.bool(),
            isExtractable: try frame.bool(), isLocal: try frame.bool())
    }
}

extension TokenInformation {
    fileprivate func write(to frame: inout FrameWriter) {
        frame.text(label)
        frame.text(manufacturer)
        frame.text(model)
        frame.text(serial)
        frame.byte(UInt8(truncatingIfNeeded: algorithms.count))
        for algorithm in algorithms { frame.text(algorithm.rawValue) }
        frame.bool(isLoggedIn)
    }

    fileprivate init(reading frame: inout FrameReader) throws(FrameError) {
        let label = try frame.text(limit: 256), manufacturer = try frame.text(limit: 256), model = try frame.text(limit: 256)
        let serial = try frame.text(limit: 256)
        var algorithms: [KeyAlgorithm] = []
        for _ in 0..<(try frame.byte()) { algorithms.append(try frame.algorithm()) }
        self.init(
            label: label, manufacturer: manufacturer, model: model, serial: serial, algorithms: algorithms, isLoggedIn: try frame.bool())
    }
}

extension TokenFailure {
    fileprivate func write(to frame: inout FrameWriter) {
        frame.byte(kind.rawValue)
        frame.optionalText(function)
        frame.bool(returnValue != nil)
        frame.long(UInt64(returnValue ?? 0))
        frame.text(message)
        frame.optionalText(hint)
    }

    fileprivate init(reading frame: inout FrameReader) throws(FrameError) {
        guard let kind = Kind(rawValue: try frame.byte()) else { throw FrameError("an unknown failure") }
        let function = try frame.optionalText(limit: 256)
        let hasValue = try frame.bool()
        let value = try frame.long()
        self.init(
            kind, function: function, returnValue: hasValue ? UInt(truncatingIfNeeded: value) : nil, message: try frame.text(limit: 4_096),
            hint: try frame.optionalText(limit: 4_096))
    }
}

extension TokenConfiguration {
    fileprivate func write(to frame: inout FrameWriter) {
        frame.text(name)
        frame.text(module)
        frame.text(uri)
        frame.optionalText(pinSource)
        frame.integer(UInt32(truncatingIfNeeded: pool))
        frame.text(stateDirectory)
        frame.integer(UInt32(truncatingIfNeeded: environment.count))
        for (name, value) in environment.sorted(by: { $0.key < $1.key }) {
            frame.text(name)
            frame.text(value)
        }
    }

    fileprivate init(reading frame: inout FrameReader) throws(FrameError) {
        let name = try frame.text(limit: 256), module = try frame.text(limit: 4_096), uri = try frame.text(limit: 4_096)
        let pinSource = try frame.optionalText(limit: 4_096)
        let pool = Int(try frame.integer())
        let stateDirectory = try frame.text(limit: 4_096)
        let count = try frame.integer()
        guard count <= 256, pool <= 1_024 else { throw FrameError("a configuration out of bounds") }
        var environment: [String: String] = [:]
        for _ in 0..<count {
            let name = try frame.text(limit: 256)
            environment[name] = try frame.text(limit: 65_536)
        }
        self.init(
            name: name, module: module, uri: uri, pinSource: pinSource, pool: pool, stateDirectory: stateDirectory, environment: environment)
    }
}
