import StrictJSON

/// The interfaces of a service: whether a call is the service's, and the prepared standard replies. A value without
/// I/O.
struct VarlinkRouter: Sendable {
    private struct Entry {
        let name: [UInt8]
        let methods: [[UInt8]]
        /// The reply's parameters to GetInterfaceDescription.
        let description: [UInt8]
    }

    private let entries: [Entry]
    private let information: [UInt8]

    init(info: VarlinkServiceInfo, interfaces: [VarlinkInterface]) {
        let all = [VarlinkInterface.service] + interfaces
        self.entries = all.map { interface in
            var writer = JSONWriter(reservingCapacity: interface.text.utf8.count + 64)
            writer.beginObject()
            writer.member("description", interface.text)
            writer.endObject()
            return Entry(
                name: Array(interface.name.utf8), methods: interface.methods.map { Array($0.name.utf8) }, description: writer.bytes)
        }
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("vendor", info.vendor)
        writer.member("product", info.product)
        writer.member("version", info.version)
        writer.member("url", info.url)
        writer.member("interfaces", all.map(\.name))
        writer.endObject()
        self.information = writer.bytes
    }

    /// What to do with a call.
    enum Route {
        /// The service knows the method.
        case service
        /// The server answers, with these parameters.
        case reply([UInt8])
        case refuse(VarlinkError)
    }

    func route(_ call: VarlinkCall) -> Route {
        let method = call.method
        let interface = method.interface, member = method.member
        // By index: copying an entry would cost reference counting for every call.
        for index in entries.indices where interface.isSame(as: entries[index].name) {
            for method in entries[index].methods.indices where member.isSame(as: entries[index].methods[method]) {
                return index == 0 ? standardReply(to: call) : .service
            }
            return .refuse(.methodNotFound(method.description))
        }
        return .refuse(.interfaceNotFound(method.interfaceName))
    }

    /// The reply to a call of `org.varlink.service`, whose entry is the first.
    private func standardReply(to call: VarlinkCall) -> Route {
        do throws(JSONError) {
            if call.method.memberName == "GetInfo" {
                try call.parameters.finish(known: [])
                return .reply(information)
            }
            try call.parameters.finish(known: ["interface"])
            let wanted = try call.parameters.required("interface").utf8("interface")
            guard let described = entries.first(where: { wanted.elementsEqual($0.name) }) else {
                return .refuse(.interfaceNotFound(String(decoding: wanted, as: UTF8.self)))
            }
            return .reply(described.description)
        } catch {
            return .refuse(.invalidParameter(error))
        }
    }
}
