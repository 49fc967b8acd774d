import { useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from './button';
import { Dialog } from './dialog';

interface Question {
  title: string;
  text: string;
  action: string;
  onConfirm: () => void;
}

/** Asks before something that cannot be undone. */
export function useConfirm(): { confirm: (question: Question) => void; dialog: ReactNode } {
  const { t } = useTranslation();
  const [question, setQuestion] = useState<Question>();
  const close = () => setQuestion(undefined);
  const dialog = question ? (
    <Dialog
      title={question.title}
      width={440}
      onClose={close}
      footer={
        <>
          <Button onClick={close}>{t('common.cancel')}</Button>
          <Button
            tone="danger"
            onClick={() => {
              close();
              question.onConfirm();
            }}
          >
            {question.action}
          </Button>
        </>
      }
    >
      <p>{question.text}</p>
    </Dialog>
  ) : null;
  return { confirm: setQuestion, dialog };
}
