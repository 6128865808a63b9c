package org.fieldscore.sample

import android.content.Context
import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.io.DataInputStream
import java.io.DataOutputStream
import java.security.GeneralSecurityException
import java.security.KeyStoreException
import javax.crypto.IllegalBlockSizeException
import org.fieldscore.android.Vault

/** What was typed into a form; once it is decided, the decision as it was shown, and its record. */
class Saved(val id: String, val texts: Map<String, String>, val decision: String? = null, val record: ByteArray? = null) {
    fun toBytes(): ByteArray {
        val bytes = ByteArrayOutputStream()
        DataOutputStream(bytes).use { out ->
            out.writeByte(VERSION)
            out.write(id.toByteArray().counted())
            out.writeInt(texts.size)
            for ((name, text) in texts) {
                out.write(name.toByteArray().counted())
                out.write(text.toByteArray().counted())
            }
            out.write(decision?.toByteArray().counted())
            out.write(record.counted())
        }
        return bytes.toByteArray()
    }

    companion object {
        private const val VERSION = 1

        /** What [toBytes] has made; null for what another version of the app has. */
        fun of(bytes: ByteArray): Saved? =
            DataInputStream(ByteArrayInputStream(bytes)).use { input ->
                if (input.readByte().toInt() != VERSION) return null
                val id = input.text()
                val texts = LinkedHashMap<String, String>()
                repeat(input.readInt()) { texts[input.text()] = input.text() }
                Saved(id, texts, input.counted()?.let { String(it) }, input.counted())
            }

        private fun ByteArray?.counted(): ByteArray {
            val bytes = ByteArrayOutputStream()
            DataOutputStream(bytes).writeInt(this?.size ?: -1)
            this?.let { bytes.write(it, 0, it.size) }
            return bytes.toByteArray()
        }

        private fun DataInputStream.counted(): ByteArray? {
            val size = readInt()
            return if (size < 0) null else ByteArray(size).also(::readFully)
        }

        private fun DataInputStream.text() = String(counted() ?: ByteArray(0))
    }
}

/** Applications that were decided, encrypted. */
fun applications(context: Context): Vault = Vault(context.applicationContext, "applications")

/** The one that is being filled in, encrypted too: it outlives the process. */
fun drafts(context: Context): Vault = Vault(context.applicationContext, "drafts")

/** The name of the only draft. */
const val DRAFT = "draft"

/** The draft. One that its key opens no more is lost: it goes, with the key, so that the next can be kept. */
fun draft(context: Context): Saved? =
    try {
        drafts(context).read(DRAFT)?.let(Saved::of)
    } catch (error: GeneralSecurityException) {
        // The Keystore itself has failed, which may pass.
        if (error is KeyStoreException || error is IllegalBlockSizeException) throw error
        drafts(context).clear()
        null
    }
