package org.fieldscore.sample

import android.content.Context
import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.io.DataInputStream
import java.io.DataOutputStream
import org.fieldscore.android.Vault

/** What was typed into a form, and the record of the decision once there is one. */
class Saved(val id: String, val texts: Map<String, String>, val record: ByteArray?) {
    fun toBytes(): ByteArray {
        val bytes = ByteArrayOutputStream()
        DataOutputStream(bytes).use { out ->
            out.writeUTF(id)
            out.writeInt(texts.size)
            for ((name, text) in texts) {
                out.writeUTF(name)
                out.writeUTF(text)
            }
            out.writeInt(record?.size ?: -1)
            record?.let(out::write)
        }
        return bytes.toByteArray()
    }

    companion object {
        fun of(bytes: ByteArray): Saved =
            DataInputStream(ByteArrayInputStream(bytes)).use { input ->
                val id = input.readUTF()
                val texts = LinkedHashMap<String, String>()
                repeat(input.readInt()) { texts[input.readUTF()] = input.readUTF() }
                val size = input.readInt()
                Saved(id, texts, if (size < 0) null else ByteArray(size).also(input::readFully))
            }
    }
}

/** Applications that were decided, encrypted. */
fun applications(context: Context): Vault = Vault(context.applicationContext, "applications")

/** The one that is being filled in, encrypted too: it outlives the process. */
fun drafts(context: Context): Vault = Vault(context.applicationContext, "drafts")

/** The name of the only draft. */
const val DRAFT = "draft"
